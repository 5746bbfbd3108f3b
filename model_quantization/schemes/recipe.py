"""The requested precision: rules from roles to schemes, and overrides by path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

from model_quantization.errors import ConfigError
from model_quantization.schemes.scheme import (
    Affine,
    Exact,
    Float,
    Role,
    Scheme,
    scheme_from_json,
    scheme_to_json,
)

BitDepth: TypeAlias = Literal["8", "16", "32", "exact", "auto"]
BIT_DEPTHS: tuple[str, ...] = ("8", "16", "32", "exact", "auto")

_EXACT = Exact()
_RULES: dict[str, dict[Role, Scheme]] = {
    "exact": {},
    "auto": {},  # each array gets its scheme by an override (`planning.assigned`)
    "32": {
        role: Float(32)
        for role in (
            Role.WEIGHT,
            Role.LEAF,
            Role.SUPPORT,
            Role.CENTER,
            Role.BASIS,
            Role.LOG_PROBABILITY,
            Role.PARAMETER,
        )
    },
    "16": {
        Role.WEIGHT: Affine(16),
        Role.SUPPORT: Affine(16, symmetric=False),
        Role.CENTER: Affine(16, symmetric=False),
        Role.BASIS: Affine(16),
        Role.LOG_PROBABILITY: Affine(16, symmetric=False),
        Role.PARAMETER: Affine(16),
    },
    "8": {
        Role.WEIGHT: Affine(8),
        Role.LEAF: Affine(8),
        Role.SUPPORT: Affine(8, symmetric=False),
        Role.CENTER: Affine(8, symmetric=False),
        Role.BASIS: Affine(8),
        Role.LOG_PROBABILITY: Affine(8, symmetric=False),
        Role.PARAMETER: Affine(8),
    },
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which scheme an array gets, by what it means and where it is.

    Attributes
    ----------
    bit_depth : str
        `8`, `16`, `32` or `exact`: the name of the rules.
    weight_threshold : float
        Weights of smaller magnitude become zero, where that does not move the scores
        (`schemes.pruning`). Nothing but weights is ever pruned, and the
        exact recipe prunes nothing.
    dynamic : bool
        True: one range per channel, taken from the array itself. False: one range per array.
    overrides : tuple of (pattern, Scheme)
        fnmatch pattern on the path of an array -> scheme; the first match wins over the rules.
    """

    bit_depth: str = "8"
    weight_threshold: float = 0.001
    dynamic: bool = True
    overrides: tuple[tuple[str, Scheme], ...] = ()
    rules: Mapping[Role, Scheme] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether this recipe rounds nothing at all."""
        return not self.rules and all(s == _EXACT for _, s in self.overrides)

    def override(self, path: str) -> Scheme | None:
        """The scheme of the first override that matches `path`; None if none does."""
        for pattern, scheme in self.overrides:
            if fnmatchcase(path, pattern):
                return scheme
        return None

    def rule(self, role: Role) -> Scheme:
        """The scheme for arrays of this role."""
        scheme = self.rules.get(role, _EXACT)
        if isinstance(scheme, Affine) and not self.dynamic:
            return Affine(scheme.bits, "array", scheme.symmetric)
        return scheme

    def to_json(self) -> dict[str, Any]:
        """The recipe as JSON values; the rules follow from the bit depth."""
        return {
            "bit_depth": self.bit_depth,
            "weight_threshold": self.weight_threshold,
            "dynamic": self.dynamic,
            "overrides": [[pattern, scheme_to_json(s)] for pattern, s in self.overrides],
        }


def recipe_for(
    bit_depth: int | str,
    weight_threshold: float = 0.001,
    *,
    dynamic: bool = True,
    overrides: tuple[tuple[str, Scheme | dict[str, Any]], ...] = (),
) -> Recipe:
    """Return the recipe that a bit depth stands for.

    Raises
    ------
    ConfigError
        An unknown bit depth, a negative or non-finite threshold, a scheme that does not exist.
    """
    name = str(bit_depth)
    if name not in _RULES:
        raise ConfigError(
            "unknown bit depth",
            where="bit_depth",
            expected=", ".join(_RULES),
            got=repr(bit_depth),
            do="ask for one of these",
        )
    if not 0.0 <= weight_threshold < float("inf"):
        raise ConfigError(
            "not a threshold",
            where="weight_threshold",
            expected="a finite number >= 0",
            got=repr(weight_threshold),
        )
    parsed: list[tuple[str, Scheme]] = []
    for pattern, scheme in overrides:
        try:
            parsed.append(
                (pattern, scheme_from_json(scheme) if isinstance(scheme, dict) else scheme)
            )
        except ValueError as error:
            raise ConfigError(str(error), where=f"overrides[{pattern!r}]") from None
    threshold = 0.0 if name == "exact" else float(weight_threshold)
    return Recipe(name, threshold, dynamic, tuple(parsed), _RULES[name])
