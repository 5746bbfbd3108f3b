"""Frozen estimators: a fitted one that answers for itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.lowered import Lowered, NotFast

_FROZEN = "sklearn.frozen._frozen:FrozenEstimator"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of the estimator inside, under the frozen one's name."""
    inside = component.get("estimator")
    if not isinstance(inside, Component):
        return NotFast("there is no estimator inside")
    lowered = inside.lower(exact)
    if isinstance(lowered, NotFast):
        return lowered
    return Lowered(
        lowered.methods,
        by=lowered.by,
        names=(component.path, *lowered.names),
        input=lowered.input,
        n_features=lowered.n_features,
        n_columns=lowered.n_columns,
        form=lowered.form,
        absorb=lowered.absorb,
        integers=lowered.integers,
        takes=lowered.takes,
        classes=lowered.classes,
        decides_by=lowered.decides_by,
    )


def sees_input(component: Component) -> tuple[Component, ...]:
    """The estimator inside."""
    inside = component.get("estimator")
    return (inside,) if isinstance(inside, Component) else (component,)


def examples() -> Iterable[Example]:
    """A frozen linear model."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import Ridge

    rows = np.random.default_rng(0).normal(size=(60, 40))
    yield Example("linear", FrozenEstimator(Ridge().fit(rows, rows[:, 0])), rows)


FAMILY = Family(
    name="frozen",
    types=frozenset({_FROZEN}),
    lower=lower,
    parts={_FROZEN: Parts("estimator", "name")},
    sees_input=sees_input,
    examples=examples,
)
