"""Preprocessing: steps that change numbers by a formula, or make more columns of them.

Scalers, encoders and imputers are families of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.families.family import Component, Example, Family
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.preprocessing import expansions, formulas
from model_quantization.schemes.scheme import Role, Slot

_MAKERS: dict[str, Callable[[Component, bool], Lowered | NotFast]] = {
    formulas.NORMALIZER: formulas.normalizer,
    formulas.BINARIZER: formulas.binarizer,
    formulas.FUNCTION: formulas.function,
    formulas.POWER: formulas.power,
    formulas.QUANTILE: formulas.quantile,
    expansions.POLYNOMIAL: expansions.polynomial,
    expansions.SPLINE: expansions.spline,
}


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The step as a function of rows."""
    return _MAKERS[component.type](component, exact)


def examples() -> Iterable[Example]:
    """Each step, in more than one way where its parameters change what it does."""
    from sklearn import preprocessing

    rows = np.random.default_rng(0).normal(size=(90, 12))
    steps = {
        "rows by length": preprocessing.Normalizer(),
        "rows by sum": preprocessing.Normalizer("l1"),
        "rows by maximum": preprocessing.Normalizer("max"),
        "above": preprocessing.Binarizer(threshold=0.25),
        "hyperbolic": preprocessing.FunctionTransformer(np.tanh),
        "checked": preprocessing.FunctionTransformer(np.square, validate=True),
        "powers": preprocessing.PowerTransformer(),
        "plain powers": preprocessing.PowerTransformer(standardize=False),
        "quantiles": preprocessing.QuantileTransformer(n_quantiles=40),
        "normal quantiles": preprocessing.QuantileTransformer(
            n_quantiles=40, output_distribution="normal"
        ),
        "products": preprocessing.PolynomialFeatures(3, include_bias=False),
        "products of two": preprocessing.PolynomialFeatures((2, 3), interaction_only=True),
        "splines": preprocessing.SplineTransformer(),
        "going on": preprocessing.SplineTransformer(
            4, degree=2, knots="quantile", extrapolation="continue", include_bias=False
        ),
    }
    for name, step in steps.items():
        yield Example(name, step.fit(rows), rows)
    box_cox = preprocessing.PowerTransformer("box-cox")
    yield Example("powers of positive", box_cox.fit(np.exp(rows)), np.exp(rows))


FAMILY = Family(
    name="preprocessing",
    types=frozenset(_MAKERS),
    # Where a number stands among rounded quantiles moves by no more than they do; powers, knots and
    # thresholds are exact, as all that is not named.
    slots={"quantiles_": Slot(Role.PARAMETER, channel_axis=1)},
    lower=lower,
    silent=frozenset({formulas.FUNCTION}),
    examples=examples,
)
