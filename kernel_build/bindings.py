"""Writes the C text that lets the binding call kernels: adapters and tables, nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from kernel_build.prototypes import Parameter, Prototype, Variant

_HEAD = "/* Written by kernel_build: do not edit. */\n"


def binding_text(variant: Variant) -> str:
    """The source of one variant with a table of its kernels, whose name is the macro KERNELS."""
    defines = "".join(f"#define {name} {kind}\n" for name, kind in variant.types)
    adapters = "\n".join(_adapter(kernel) for kernel in variant.kernels)
    entries = "".join(
        f'    {{"{kernel.name}", call_{kernel.name}, {kernel.name}_parameters, '
        f"{len(kernel.parameters)}, '{kernel.result}'}},\n"
        for kernel in variant.kernels
    )
    return (
        f'{_HEAD}#include "table.h"\n{defines}#include "{variant.source.as_posix()}"\n\n'
        f"{adapters}\nextern const struct kernel KERNELS[];\n"
        f"const struct kernel KERNELS[] = {{\n{entries}    {{NULL, NULL, NULL, 0, 0}},\n}};\n"
    )


def _adapter(kernel: Prototype) -> str:
    given = ", ".join(_argument(at, each) for at, each in enumerate(kernel.parameters))
    described = "".join(
        f"    {{\"{each.name}\", '{each.letter}', {int(each.written)}, {each.dimensions}}},\n"
        for each in kernel.parameters
    )
    return (
        f"static const struct parameter {kernel.name}_parameters[] = {{\n{described}}};\n\n"
        f"static struct outcome call_{kernel.name}(const struct argument *given)\n"
        f"{{\n    return {kernel.name}({given});\n}}\n"
    )


_SIZES = {0: ("size",), 1: ("size", "step"), 2: ("rows", "columns")}


def _argument(at: int, parameter: Parameter) -> str:
    if not parameter.is_array:
        return f"given[{at}].{'whole' if parameter.letter == 'w' else 'real'}"
    fields = _SIZES[parameter.dimensions]
    sizes = ", ".join(f"given[{at}].{field}" for field in fields)
    return f"({parameter.c_type}){{given[{at}].at, {sizes}}}"


def table_name(variant: Variant, instruction_set: str) -> str:
    """The name of a variant's table as compiled for one instruction set."""
    return f"kernels_{variant.name}_{instruction_set}"


def sets_text(variants: Iterable[Variant], instruction_sets: Iterable[str]) -> str:
    """The table of all instruction sets, the best of which comes first."""
    variants, instruction_sets = list(variants), list(instruction_sets)
    parts = [_HEAD, '#include "table.h"\n']
    for name in instruction_sets:
        tables = [table_name(variant, name) for variant in variants]
        parts += [f"extern const struct kernel {table}[];\n" for table in tables]
        listed = "".join(f"    {table},\n" for table in tables)
        parts.append(f"static const struct kernel *const {name}[] = {{\n{listed}    NULL,\n}};\n")
    listed = "".join(f'    {{"{name}", {name}}},\n' for name in instruction_sets)
    parts.append(
        "const struct instruction_set instruction_sets[] = {\n" + listed + "    {NULL, NULL},\n};\n"
    )
    return "".join(parts)
