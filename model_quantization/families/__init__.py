"""The meaning of the arrays of each kind of model; one file per family, found by itself.

Adding a family is adding one file here that defines `FAMILY` (and `make docs`, which notes it in
`owners.json`, so that a process imports the families of its own models alone). A class that no
family names is treated by `generic`.

Families do not choose precision (`planning`) and do not touch files (`artifact`).
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from model_quantization.errors import FormatError
from model_quantization.families.family import Component, Example, Family, LeftAsIs, Parts
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.owners import known_owners

__all__ = [
    "Component",
    "Example",
    "Family",
    "LeftAsIs",
    "Lowered",
    "NotFast",
    "Parts",
    "all_families",
    "family_named",
    "family_of",
]


@cache
def all_families() -> tuple[Family, ...]:
    """Every family of this package, by name.

    Raises
    ------
    ValueError
        Two families share a name, or name the same class.
    """
    found: dict[str, Family] = {}
    owner: dict[str, str] = {}
    for module in pkgutil.iter_modules(__path__):
        family = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FAMILY", None)
        if family is None:
            continue
        if family.name in found:
            raise ValueError(f"two families are named {family.name!r}")
        found[family.name] = family
        for type_name in family.types:
            if type_name in owner:
                raise ValueError(f"{type_name} is in {owner[type_name]!r} and {family.name!r}")
            owner[type_name] = family.name
    return tuple(found[name] for name in sorted(found))


def family_of(type_name: str) -> Family:
    """The family that speaks for a class; `generic` if no other does."""
    known = known_owners()
    if known is not None:
        return family_named(known.by_type.get(type_name, "generic"))
    for family in all_families():
        if type_name in family.types:
            return family
    return family_named("generic")


@cache
def family_named(name: str) -> Family:
    """The family with this name.

    Raises
    ------
    KeyError
        No such family; the message lists the known ones.
    """
    known = known_owners()
    if known is not None and name in known.modules:
        module = importlib.import_module(f"{__name__}.{known.modules[name]}")
        found: Family = module.FAMILY
        return found
    for family in all_families():
        if family.name == name:
            return family
    listed = ", ".join(family.name for family in all_families())
    raise KeyError(f"no family {name!r}; known: {listed}")


def known_family(name: str, path: str) -> Family:
    """The family of this name; FormatError if this library does not know it."""
    try:
        return family_named(name)
    except KeyError as error:
        raise FormatError(
            "a component of an unknown family",
            where=path,
            got=str(error),
            do="read the file with a newer version of this library",
        ) from None
