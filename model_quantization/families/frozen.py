"""Frozen estimators: a fitted one that answers for itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from model_quantization.families.family import Component, Example, Family, Lowered


def lower(component: Component, exact: bool) -> Lowered | None:
    """The fast predictor of the estimator inside."""
    held = component.get("estimator")
    lowered = held.lower(exact) if isinstance(held, Component) else None
    return None if lowered is None else replace(lowered, names=(component.path, *lowered.names))


def examples() -> Iterable[Example]:
    """A frozen linear model."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import Ridge

    rows = np.random.default_rng(0).normal(size=(60, 40))
    yield Example("linear", FrozenEstimator(Ridge().fit(rows, rows[:, 0])), rows)


FAMILY = Family(
    name="frozen",
    types=frozenset({"sklearn.frozen._frozen:FrozenEstimator"}),
    lower=lower,
    examples=examples,
)
