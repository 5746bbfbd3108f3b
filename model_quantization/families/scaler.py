"""Scalers: each column shifted and scaled, which a linear model behind them can take in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Affine
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.schemes.scheme import Role, Slot

_STANDARD = "sklearn.preprocessing._data:StandardScaler"
_MINMAX = "sklearn.preprocessing._data:MinMaxScaler"
_MAXABS = "sklearn.preprocessing._data:MaxAbsScaler"
_ROBUST = "sklearn.preprocessing._data:RobustScaler"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The scaler as one pass over a copy of the rows, and as (scale, shift) to be folded in."""
    steps = _STEPS[component.type](component)
    width = component.get("n_features_in_")
    if steps is None or not isinstance(width, int):
        return NotFast("it cuts off values outside the range of the training rows")

    # Whether the mean is rounded to float32 before it is taken from float32 rows depends on
    # scikit-learn's version: where every bit counts, it answers for itself.
    refused = "f" if exact and component.type == _STANDARD else ""

    def transform(rows: Array) -> Array | None:
        if rows.dtype.char == refused or not np.isfinite(rows).all():
            return None
        # In place on a copy, in the dtype of the rows: what scikit-learn does, to the bit.
        result = rows.copy(order="K")
        for operation, operand in steps:
            operation(result, operand, out=result, casting="same_kind")
        return result

    def inverse(rows: Array) -> Array | None:
        if rows.dtype.char == refused or not np.isfinite(rows).all():
            return None
        result = rows.copy(order="K")
        for operation, operand in reversed(steps):
            _OPPOSITE[operation](result, operand, out=result, casting="same_kind")
        return result

    return Lowered(
        {"transform": transform},
        by="a scaler",
        names=(component.path,),
        n_features=width,
        n_columns=width,
        form=_affine(steps, width),
        inverse=inverse,
    )


_OPPOSITE: dict[Callable[..., Array], Callable[..., Array]] = {
    np.add: np.subtract,
    np.subtract: np.add,
    np.multiply: np.divide,
    np.divide: np.multiply,
}


Step = tuple[Callable[..., Array], Array]


def _affine(steps: list[Step], width: int) -> Affine:
    """The steps as one scale and one shift per column."""
    scale, shift = np.ones(width), np.zeros(width)
    for operation, operand in steps:
        if operation is np.multiply:
            scale, shift = scale * operand, shift * operand
        elif operation is np.divide:
            scale, shift = scale / operand, shift / operand
        else:
            shift = operation(shift, operand)
    return Affine(scale, shift)


def _standard(component: Component) -> list[Step] | None:
    return _present(
        (np.subtract, component.get("mean_") if component.get("with_mean") else None),
        (np.divide, component.get("scale_") if component.get("with_std") else None),
    )


def _minmax(component: Component) -> list[Step] | None:
    if component.get("clip"):
        return None
    return _present((np.multiply, component["scale_"]), (np.add, component["min_"]))


def _maxabs(component: Component) -> list[Step] | None:
    return None if component.get("clip") else _present((np.divide, component["scale_"]))


def _robust(component: Component) -> list[Step] | None:
    return _present(
        (np.subtract, component.get("center_") if component.get("with_centering") else None),
        (np.divide, component.get("scale_") if component.get("with_scaling") else None),
    )


def _present(*steps: tuple[Callable[..., Array], Array | None]) -> list[Step]:
    return [(operation, operand) for operation, operand in steps if operand is not None]


_STEPS: dict[str, Callable[[Component], list[Step] | None]] = {
    _STANDARD: _standard,
    _MINMAX: _minmax,
    _MAXABS: _maxabs,
    _ROBUST: _robust,
}


def examples() -> Iterable[Example]:
    """One of each scaler."""
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    rows = np.random.default_rng(0).normal(size=(60, 40)) * np.arange(1, 41)
    for scaler in (StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()):
        yield Example(type(scaler).__name__, scaler.fit(rows), rows)


FAMILY = Family(
    name="scaler",
    types=frozenset(_STEPS),
    slots={"*_": Slot(Role.STATISTIC, note="statistics of the data: float32 is off by seconds")},
    lower=lower,
    examples=examples,
)
