"""Who may import whom. The layers stand in docs/architecture.md, and nowhere else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = "model_quantization"
PROJECT = (LIBRARY, "ml", "tasks", "flows")
SOURCES = [
    ROOT / "model_quantization_demo.py",
    *(
        path
        for folder in ("model_quantization", "ml", "tasks", "flows")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


@cache
def layers() -> dict[str, int]:
    """Module or package -> height of its layer, as the page says."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    block = re.search(r"```layers\n(.*?)```", page, re.S)
    assert block
    found: dict[str, int] = {}
    for height, line in enumerate(block.group(1).splitlines()):
        for name in line.partition(":")[2].split():
            whole = name[1:] if name.startswith(".") else f"{LIBRARY}.{name}"
            assert whole not in found, f"{whole} is in two layers"
            found[whole] = height
    return found


def height_of(module: str) -> int | None:
    """The height of the longest prefix that has one."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if name in layers():
            return layers()[name]
    return None


@cache
def imports(module: str) -> tuple[tuple[str, int], ...]:
    """(what is imported, line) anywhere in a file, functions included."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    return tuple(found for node in ast.walk(tree) for found in _names(node))


def _names(node: ast.AST) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide what is imported"
        module = node.module or ""
        for alias in node.names:
            whole = f"{module}.{alias.name}"
            yield (whole if whole in MODULES else module), node.lineno


def top(name: str) -> str:
    return name.partition(".")[0]


def library(prefix: str) -> list[str]:
    return [name for name in MODULES if name == prefix or name.startswith(f"{prefix}.")]


def at(module: str, line: int, name: str) -> str:
    return f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"


def test_every_module_has_a_layer() -> None:
    known = {
        name
        for name in MODULES
        if name.startswith(f"{LIBRARY}.")
        and not any(name == k or name.startswith(f"{k}.") for k in layers())
    }
    assert not known, f"name these in the layers of docs/architecture.md: {sorted(known)}"


def test_every_name_in_the_layers_exists() -> None:
    unknown = [name for name in layers() if not library(name)]
    assert not unknown, f"no such module: {unknown}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_file_imports_its_own_layer_and_lower_ones(module: str) -> None:
    if module == LIBRARY:  # the public face: it names everything, lazily
        return
    mine = height_of(module)
    assert mine is not None
    wrong = []
    for name, line in imports(module):
        if top(name) not in PROJECT:
            continue
        theirs = height_of(name)
        if theirs is None or theirs > mine:
            wrong.append(at(module, line, name))
    assert not wrong


def room_of(module: str) -> str:
    """The first part of a module's name below the library."""
    return module.split(".")[1] if "." in module else module


def test_no_room_imports_in_a_circle() -> None:
    reached: dict[str, set[str]] = {}
    for module in library(LIBRARY):
        if module != LIBRARY:
            names = {name for name, _ in imports(module) if name in MODULES and name != LIBRARY}
            reached.setdefault(room_of(module), set()).update(room_of(name) for name in names)
    order: list[str] = []  # rooms whose imports all stand before them
    while waiting := [room for room in reached if room not in order]:
        free = [room for room in waiting if reached[room] - {room} <= {*order}]
        assert free, f"these rooms import each other: {sorted(waiting)}"
        order += free


def test_every_room_says_what_lives_there_and_what_does_not() -> None:
    for path in sorted((ROOT / LIBRARY).glob("*/__init__.py")):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert len(text.splitlines()) >= 3, path.relative_to(ROOT)


def test_the_library_knows_nothing_of_prefect() -> None:
    wrong = [
        at(module, line, name)
        for module in (*library(LIBRARY), *library("ml"))
        for name, line in imports(module)
        if top(name) in ("prefect", "tasks", "flows")
    ]
    assert not wrong


def test_tasks_and_flows_do_no_arithmetic() -> None:
    wrong = [
        at(module, line, name)
        for module in (*library("tasks"), *library("flows"))
        for name, line in imports(module)
        if top(name) in ("numpy", "scipy", "sklearn", "pandas", "joblib", "pickle")
    ]
    assert not wrong


def test_kernels_know_arrays_alone() -> None:
    package = f"{LIBRARY}.kernels"
    allowed = {"numpy", "scipy", *sys.stdlib_module_names}
    shared = {f"{LIBRARY}.{name}" for name in ("values", "errors", "arrays", "locks")}
    wrong = [
        at(module, line, name)
        for module in library(package)
        for name, line in imports(module)
        if not (top(name) in allowed or name.startswith(package) or name in shared)
    ]
    assert not wrong


def is_a_family(module: str) -> bool:
    """Whether the registry finds a family in this module; what has none is shared by families."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    return any(
        isinstance(target, ast.Name) and target.id == "FAMILY"
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else ())
    )


def test_families_know_kernels_and_not_each_other() -> None:
    package = f"{LIBRARY}.families"
    wrong = []
    for module in library(package):
        own = ".".join(module.split(".")[:3])
        for name, line in imports(module):
            other = ".".join(name.split(".")[:3])
            if name.startswith(f"{package}.") and other != own and is_a_family(other):
                wrong.append(at(module, line, name))
            if any(name.startswith(f"{LIBRARY}.{part}") for part in ("codecs", "plan", "artifact")):
                wrong.append(at(module, line, name))
    assert not wrong


@pytest.mark.parametrize("package", ["artifact", "codecs"])
def test_an_artifact_is_readable_without_scikit_learn_and_pickle(package: str) -> None:
    forbidden = (
        "sklearn",
        "pickle",
        "joblib",
        "pandas",
        "dill",
        "cloudpickle",
        "marshal",
        "shelve",
    )
    reached, waiting = set(), library(f"{LIBRARY}.{package}")
    wrong = []
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        for name, line in imports(module):
            if top(name) in forbidden:
                wrong.append(at(module, line, name))
            elif name in MODULES:
                waiting.append(name)
    assert not wrong
    assert not [name for name in reached if ".loading" in name or ".families" in name]


def test_one_file_unpickles() -> None:
    wrong = []
    for module, path in MODULES.items():
        if module == f"{LIBRARY}.loading.pickles.unpickle":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(
                    value=ast.Name(id="pickle" | "joblib" | "numpy_pickle" | "_pickle"),
                    attr="load" | "loads" | "Unpickler" | "_Unpickler" | "NumpyUnpickler",
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
                case ast.ImportFrom(module="pickle" | "joblib" | "joblib.numpy_pickle") if any(
                    alias.name not in ("dump", "dumps") for alias in node.names
                ):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
                case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.value.lineno}")
    assert not wrong


HEAVY = (
    "sklearn", "pandas", "pyarrow", "rich", "pydantic", "prefect", "joblib", "cryptography",
)  # fmt: skip


def loaded_by(script: str, *arguments: str) -> set[str]:
    """The modules of a fresh process after it ran a script."""
    whole = f"{script}\nimport sys\nprint(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", whole, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


READS = """
import sys
from model_quantization.artifact.reader import read_artifact
artifact = read_artifact(sys.argv[1])
artifact.check()
assert len([array for array in artifact]) == len(artifact) > 0
"""


@pytest.mark.parametrize("name", ["nodes", "schemes", "codecs", "linear", "forest", "text"])
def test_a_process_that_reads_an_artifact(name: str) -> None:
    path = ROOT / "tests" / "artifact" / "golden" / f"{name}.qma"
    loaded = loaded_by(READS, str(path))
    assert not [module for module in loaded if top(module) in (*HEAVY, "scipy")]
    assert not [m for m in loaded if m.startswith((f"{LIBRARY}.loading", f"{LIBRARY}.families"))]


SERVES = """
import sys
import model_quantization as mq
model = mq.load(sys.argv[1])
assert "predict" in model.fast_methods
if sys.argv[2] == "text":
    rows = ["the quick brown fox", "a quick dog"]
else:
    import numpy as np
    rows = np.zeros((2, 40))
assert len(model.predict(rows)) == 2
"""


@pytest.mark.parametrize("name", ["linear", "forest", "text"])
def test_a_process_that_serves_a_fast_predictor(name: str) -> None:
    path = ROOT / "tests" / "artifact" / "golden" / f"{name}.qma"
    loaded = loaded_by(SERVES, str(path), name)
    assert not [module for module in loaded if top(module) in HEAVY]
    assert f"{LIBRARY}.loading.pickles.unpickle" not in loaded
    assert not [m for m in loaded if m.startswith((f"{LIBRARY}.evaluation", f"{LIBRARY}.pipeline"))]


def test_importing_the_library_costs_nothing() -> None:
    loaded = loaded_by("import model_quantization")
    assert not [module for module in loaded if top(module) in (*HEAVY, "msgspec", "numpy")]


NAMED = re.compile(rf"\b{LIBRARY}(?:\.\w+)+")
# Classes that an artifact names: only `estimators` makes objects of them.
RESTORED = (f"{LIBRARY}.estimators.slim_", f"{LIBRARY}.estimators.as_saved")


def named_in_strings(module: str) -> Iterator[tuple[int, str]]:
    """(line, module) of each module of the library that a string names; docstrings do not count."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in documents:
            continue
        if isinstance(node.value, str):
            yield from ((node.lineno, found) for found in NAMED.findall(node.value))


def test_no_string_names_what_could_not_be_imported() -> None:
    wrong = []
    for module in library(LIBRARY):
        mine = height_of(module)
        for line, name in named_in_strings(module):
            theirs = height_of(name)
            higher = mine is not None and theirs is not None and theirs > mine
            if higher and not name.startswith(RESTORED):
                wrong.append(at(module, line, name).replace("imports", "names"))
    assert not wrong
