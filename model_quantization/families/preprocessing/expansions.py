"""Steps that make more columns of those there are."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import number_step, width_of
from model_quantization.kernels.tables.expansions import Products, Splines

POLYNOMIAL = "sklearn.preprocessing._polynomial:PolynomialFeatures"
SPLINE = "sklearn.preprocessing._polynomial:SplineTransformer"
_MOST_COLUMNS = 1 << 20
_HIGHEST = 64  # degree


def polynomial(component: Component, exact: bool) -> Lowered | NotFast:
    """Products of columns."""
    names = ("_min_degree", "_max_degree", "_n_out_full", "n_output_features_")
    numbers = [component.get(name) for name in names]
    width, order = width_of(component), component.get("order")
    if width is None or order not in ("C", "F") or any(type(each) is not int for each in numbers):
        return NotFast("its degrees are not known")
    least, most, n_all, n_columns = numbers
    if not 0 < n_columns <= n_all <= _MOST_COLUMNS or not 0 < width <= _MOST_COLUMNS:
        return NotFast("it makes no column, or more than a million")
    if not 0 <= least <= most <= _HIGHEST or (least <= 1 and n_columns != n_all):
        return NotFast("its degrees give another number of columns than it says")
    products = Products(
        width,
        least,
        most,
        bool(component.get("interaction_only")),
        bool(component.get("include_bias")),
        n_all,
        n_columns,
        order,
    )
    if products.count() != n_all:
        return NotFast("its degrees give another number of columns than it says")
    return number_step(
        component,
        products.transform,
        by="products of columns",
        n_features=width,
        n_columns=n_columns,
    )


def spline(component: Component, exact: bool) -> Lowered | NotFast:
    """Basis splines of each column."""
    splines, degree = component.get("bsplines_"), component.get("degree")
    beyond, order = component.get("extrapolation"), component.get("order")
    if beyond not in ("constant", "continue") or component.get("sparse_output"):
        return NotFast("what it does beyond the knots, or its sparse result, has no fast form")
    if component.get("handle_missing", "error") != "error":
        return NotFast("it makes zeros of missing values")
    if not isinstance(splines, list) or type(degree) is not int or order not in ("C", "F"):
        return NotFast("its splines are not known")
    # scipy before 1.16 has the names without an underscore.
    knots: list[Any] = [
        each.get("_t", each.get("t")) if isinstance(each, Component) else None for each in splines
    ]
    lengths = {each.shape for each in knots if isinstance(each, np.ndarray)}
    (length,) = lengths.pop() if len(lengths) == 1 else (0,)
    if not 0 <= degree <= 16 or length < 2 * degree + 2 or any(each is None for each in knots):
        return NotFast("its columns have splines of different kinds")
    coefficients = [each.get("_c", each.get("c")) for each in splines]
    count = length - degree - 1
    if not all(np.array_equal(each, np.eye(count)) for each in coefficients):
        return NotFast("its splines are mixed")
    if any((np.diff(each) < 0).any() or not np.isfinite(each).all() for each in knots):
        return NotFast("its knots are not in order")
    kept = None
    if not component.get("include_bias"):
        every = np.arange(count * len(knots))
        kept = every[(every + 1) % count != 0]
    made = Splines(np.ascontiguousarray(knots), degree, beyond == "constant", kept, order)
    return number_step(
        component,
        made.transform,
        by="splines of columns",
        n_features=len(knots),
        n_columns=made.n_columns,
    )
