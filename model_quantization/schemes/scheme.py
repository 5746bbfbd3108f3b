"""Precision as a value: what an array becomes, and what it tolerates.

A scheme says how the numbers of one array are stored; codecs turn the result into bytes. Schemes
are plain frozen dataclasses with a literal `kind`, so that code, YAML and manifest share one
definition: `scheme_to_json` and `scheme_from_json`.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from model_quantization.values import Value, field


class Exact(Value, frozen=True):
    """Every bit is kept."""

    kind: Literal["exact"] = "exact"

    def __str__(self) -> str:
        return "exact"


class Float(Value, frozen=True):
    """Rounded to the nearest IEEE float of `bits` bits."""

    bits: Literal[16, 32]
    kind: Literal["float"] = "float"

    def __str__(self) -> str:
        return f"float{self.bits}"


class Affine(Value, frozen=True):
    """Integer codes: `value = scale * (code - zero)`, one (scale, zero) per channel or array.

    Parameters
    ----------
    bits : {2, 3, 4, 5, 6, 7, 8, 16}
        Width of a code. Codes of fewer than 8 bits are stored as bytes: the coder that follows
        takes the bits that are not used out of them.
    granularity : {"channel", "array"}
        `channel`: one range per index along the slot's channel axis.
    symmetric : bool
        Symmetric codes have zero = 0 and keep exact zeros; asymmetric ones use the whole range.
    """

    bits: Literal[2, 3, 4, 5, 6, 7, 8, 16]
    granularity: Literal["channel", "array"] = "channel"
    symmetric: bool = True
    kind: Literal["affine"] = "affine"

    def __str__(self) -> str:
        per = "channel" if self.granularity == "channel" else "array"
        return f"int{self.bits}/{per}" if self.symmetric else f"uint{self.bits}/{per}"


def affine_of(bits: int, granularity: str = "channel", *, symmetric: bool = True) -> Affine:
    """Return affine codes of a width that is worked out.

    Raises
    ------
    ValueError
        No such width or granularity.
    """
    made = scheme_from_json(
        {"kind": "affine", "bits": bits, "granularity": granularity, "symmetric": symmetric}
    )
    assert isinstance(made, Affine), "of that kind"
    return made


class Codebook(Value, frozen=True):
    """At most 2**bits distinct values, chosen to lose least in squared error, and their indices."""

    bits: Literal[4, 6, 8]
    kind: Literal["codebook"] = "codebook"

    def __str__(self) -> str:
        return f"codebook{self.bits}"


Scheme: TypeAlias = Exact | Float | Affine | Codebook
KINDS: dict[str, type[Exact] | type[Float] | type[Affine] | type[Codebook]] = {
    "exact": Exact,
    "float": Float,
    "affine": Affine,
    "codebook": Codebook,
}


def scheme_to_json(scheme: Scheme) -> dict[str, Any]:
    """The scheme as a JSON object; `scheme_from_json` reads it back."""
    return asdict(scheme)


def scheme_from_json(record: dict[str, Any]) -> Scheme:
    """The scheme that a JSON object describes.

    Raises
    ------
    ValueError
        Unknown `kind`, unknown field or a value outside the field's set.
    """
    kind = record.get("kind")
    cls = KINDS.get(str(kind))
    if cls is None:
        raise ValueError(f"unknown scheme kind {kind!r}; known: {', '.join(KINDS)}")
    fields = {key: value for key, value in record.items() if key != "kind"}
    try:
        scheme = cls(**fields)
    except TypeError as error:
        raise ValueError(f"scheme {kind}: {error}") from None
    _check_fields(scheme)
    return scheme


def _check_fields(scheme: Scheme) -> None:
    allowed: dict[str, tuple[int, ...]] = {
        "float": (16, 32),
        "affine": (2, 3, 4, 5, 6, 7, 8, 16),
        "codebook": (4, 6, 8),
    }
    bits = getattr(scheme, "bits", None)
    if scheme.kind in allowed and (isinstance(bits, bool) or bits not in allowed[scheme.kind]):
        raise ValueError(f"scheme {scheme.kind}: bits must be one of {allowed[scheme.kind]}")
    if isinstance(scheme, Affine) and (
        scheme.granularity not in ("channel", "array") or not isinstance(scheme.symmetric, bool)
    ):
        raise ValueError("scheme affine: granularity is channel or array, symmetric a bool")


class Role(StrEnum):
    """The meaning of an array in its model."""

    WEIGHT = "weight"  # multiplied with inputs; the only role that pruning touches
    BIAS = "bias"
    THRESHOLD = "threshold"  # compared with inputs or scores
    LEAF = "leaf"  # answers of a tree
    SUPPORT = "support"  # training rows that the model keeps (SVM, neighbors, kernels)
    CENTER = "center"  # cluster centres, class means, prototypes
    BASIS = "basis"  # directions of a projection (PCA, NMF, discriminants)
    LOG_PROBABILITY = "log_probability"
    STATISTIC = "statistic"  # means, variances, scales of data
    PARAMETER = "parameter"  # floating point of unknown meaning
    CALIBRATION = "calibration"  # calibrators: a handful of numbers that decide probabilities
    VOCABULARY = "vocabulary"
    LABEL = "label"
    INDEX = "index"
    COUNT = "count"
    STATE = "state"  # hyper-parameters, random state, text, everything else


EXACT_ROLES = frozenset(
    {
        Role.BIAS,
        Role.THRESHOLD,
        Role.STATISTIC,
        Role.CALIBRATION,
        Role.VOCABULARY,
        Role.LABEL,
        Role.INDEX,
        Role.COUNT,
        Role.STATE,
    }
)


class Slot(Value, frozen=True):
    """The purpose of one array of a component.

    Parameters
    ----------
    role : Role
        What it means.
    channel_axis : int or None
        The axis along which ranges are taken per index (classes of `coef_`: 0); None: one range.
    tolerates : frozenset of str
        Scheme kinds that may be used on it; `exact` always may.
    note : str
        Why it tolerates no more, for the report.
    never_changed : bool
        No method writes to it, so that equal ones may be one array.
    fewest_bits : {2, 8, 16}
        Of affine codes that a recipe chooses: what 8 bits would ruin has 16.
    """

    role: Role
    channel_axis: int | None = None
    tolerates: frozenset[str] = field(
        default_factory=lambda: frozenset({"float", "affine", "codebook"})
    )
    note: str = ""
    never_changed: bool = False
    fewest_bits: Literal[2, 8, 16] = 2

    def allows(self, scheme: Scheme) -> bool:
        """Whether `scheme` may be used here."""
        if isinstance(scheme, Exact):
            return True
        return self.role not in EXACT_ROLES and scheme.kind in self.tolerates
