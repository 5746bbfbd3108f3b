"""Steps that change each number, or each row, by a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import all_finite, number_step, width_of
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.tables.curves import (
    box_cox,
    from_quantiles,
    to_quantiles,
    undo_yeo_johnson,
    yeo_johnson,
)

NORMALIZER = "sklearn.preprocessing._data:Normalizer"
BINARIZER = "sklearn.preprocessing._data:Binarizer"
POWER = "sklearn.preprocessing._data:PowerTransformer"
QUANTILE = "sklearn.preprocessing._data:QuantileTransformer"
FUNCTION = "sklearn.preprocessing._function_transformer:FunctionTransformer"

_DOUBLE = "d"
# Functions of numpy that answer one number with one number, and no type but their argument's.
_FUNCTIONS = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "negative",
    "positive",
    "rad2deg",
    "radians",
    "reciprocal",
    "rint",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]


def normalizer(component: Component, exact: bool) -> Lowered | NotFast:
    """Every row divided by its norm."""
    norm = _NORMS.get(component.get("norm", ""))
    if norm is None:
        return NotFast("its norm is not known")

    def transform(rows: Array) -> Array:
        found = rows.copy(order="K")
        lengths = norm(found)
        lengths[lengths < 10 * np.finfo(lengths.dtype).eps] = 1.0
        found /= lengths[:, np.newaxis]
        return found

    width = width_of(component)
    return number_step(component, transform, by="rows by norm", n_features=width, n_columns=width)


_NORMS: dict[str, Callable[[Array], Array]] = {
    "l1": lambda rows: np.sum(np.abs(rows), axis=1),
    "l2": lambda rows: np.sqrt(squared_lengths(rows)),
    "max": lambda rows: np.max(np.abs(rows), axis=1),
}


def binarizer(component: Component, exact: bool) -> Lowered | NotFast:
    """One for numbers above a threshold."""
    threshold, width = component.get("threshold"), width_of(component)
    if not isinstance(threshold, int | float):
        return NotFast("its threshold is no number")
    level: float = threshold
    return number_step(
        component,
        lambda rows: (rows > level).astype(rows.dtype),
        by="numbers above a threshold",
        n_features=width,
        n_columns=width,
        takes="floats",  # integers stay integers
    )


def function(component: Component, exact: bool) -> Lowered | NotFast:
    """A function of numpy; without validation it gets the input as it comes, frames included."""
    forward, back = _function(component, "func"), _function(component, "inverse_func")
    width = width_of(component)
    if forward is None and back is None:
        return NotFast("its function is none of numpy's of one number")
    checks = bool(component.get("validate"))

    def transform(rows: Array) -> Array | None:
        return None if forward is None else forward(rows)

    def inverse(rows: Array) -> Array | None:
        return back(rows) if back is not None and (not checks or all_finite(rows)) else None

    step = number_step(
        component,
        transform,
        by="a function of each number",
        n_features=width,
        n_columns=width,
        refuses="not finite" if checks else "nothing",
        takes="floats" if checks else "arrays",
        inverse=inverse if back is not None else None,
    )
    if forward is not None:
        return step
    return Lowered({}, by=step.by, names=step.names, n_features=width, inverse=step.inverse)


def _function(component: Component, name: str) -> Callable[[Array], Array] | None:
    func, options = (
        component.get(name),
        component.get("kw_args" if name == "func" else "inv_kw_args"),
    )
    if options:
        return None
    if func is None:
        return lambda rows: rows
    module, _, called = str(func).rpartition(":")
    if module.partition(".")[0] != "numpy" or called not in _FUNCTIONS:
        return None
    found: Callable[[Array], Array] = getattr(np, called)
    return found


def power(component: Component, exact: bool) -> Lowered | NotFast:
    """Powers of each column, then a scaler perhaps."""
    lambdas, scaler = component.get("lambdas_"), component.get("_scaler")
    if not isinstance(lambdas, np.ndarray) or lambdas.dtype.char != _DOUBLE:
        return NotFast("its powers are no float64")
    is_yeo_johnson = component.get("method") == "yeo-johnson"
    curve: Any = yeo_johnson(lambdas) if is_yeo_johnson else box_cox(lambdas)
    undo = undo_yeo_johnson(lambdas) if is_yeo_johnson else None
    mean, scale = None, None
    if component.get("standardize"):
        if not isinstance(scaler, Component):
            return NotFast("its scaler is missing")
        mean, scale = scaler.get("mean_"), scaler.get("scale_")
        if mean is None or scale is None or not mean.shape == scale.shape == lambdas.shape:
            return NotFast("its scaler does not fit its powers")

    def transform(rows: Array) -> Array | None:
        if rows.dtype.char != _DOUBLE:
            return None
        found: Array | None = curve(rows)
        if found is None or mean is None:
            return found
        found -= mean
        found /= scale
        return found

    def inverse(rows: Array) -> Array | None:
        if rows.dtype.char != _DOUBLE or undo is None or not all_finite(rows):
            return None
        return undo(rows if mean is None else rows * scale + mean)

    return number_step(
        component,
        transform,
        by="a power of each number",
        n_features=len(lambdas),
        n_columns=len(lambdas),
        refuses="infinite",
        inverse=inverse if undo is not None else None,
    )


def quantile(component: Component, exact: bool) -> Lowered | NotFast:
    """The place of each number among the quantiles of its column."""
    known, references = component.get("quantiles_"), component.get("references_")
    is_normal = component.get("output_distribution") == "normal"
    if not isinstance(known, np.ndarray) or not isinstance(references, np.ndarray):
        return NotFast("it has no quantiles")
    if known.dtype.char != _DOUBLE or known.shape[:1] != references.shape or not len(known):
        return NotFast("its quantiles are no float64, or not as many as their places")
    curve = to_quantiles(known, references, normal=is_normal)
    back = None if is_normal else from_quantiles(known, references)

    def transform(rows: Array) -> Array | None:
        return curve(rows) if rows.dtype.char == _DOUBLE else None

    def inverse(rows: Array) -> Array | None:
        if back is None or rows.dtype.char != _DOUBLE or not all_finite(rows):
            return None
        return back(rows)

    return number_step(
        component,
        transform,
        by="places among quantiles",
        n_features=known.shape[1],
        n_columns=known.shape[1],
        refuses="infinite",
        inverse=inverse if back is not None else None,
    )
