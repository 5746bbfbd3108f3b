"""Quadratic discriminant analysis: distances from each class, in that class's own directions.

The linear one answers from linear scores and is in the linear family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import (
    Component,
    Example,
    Family,
    slots_for,
)
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.kernels.linear.discriminant import log_posterior, log_softmax
from model_quantization.schemes.scheme import Role, Slot

_QUADRATIC = "sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis"
_DIRECTIONS = Slot(
    Role.BASIS,
    channel_axis=1,
    tolerates=frozenset({"float"}),
    note="directions are divided by deviations that may be next to nothing",
)


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor, equal bit for bit to the restored estimator's answers."""
    rotations, variances = component.get("rotations_"), component.get("scalings_")
    if not isinstance(rotations, list) or not isinstance(variances, list):
        return NotFast("its directions are not a list")
    classes, means = component["classes_"], component["means_"]
    directions = [r * (v ** (-0.5)) for r, v in zip(rotations, variances, strict=True)]
    spreads = np.asarray([np.sum(np.log(variance)) for variance in variances])
    log_prior = np.log(component["priors_"])

    def method(answer: Callable[[Array], Array]) -> Method:
        def call(rows: Array) -> Array | None:
            if not np.isfinite(rows).all():
                return None
            return answer(log_posterior(rows, means, directions, spreads, log_prior))

        return call

    def decision(scores: Array) -> Array:
        return scores[:, 1] - scores[:, 0] if len(classes) == 2 else scores

    methods = {
        "decision_function": method(decision),
        "predict": method(lambda scores: classes.take(scores.argmax(axis=1))),
        "predict_log_proba": method(log_softmax),
        "predict_proba": method(lambda scores: np.exp(log_softmax(scores))),
    }
    return Lowered(
        methods,
        by="distances from each class",
        names=(component.path,),
        n_features=means.shape[1],
        classes=classes,
    )


def examples() -> Iterable[Example]:
    """Three classes and two."""
    from sklearn.datasets import make_classification
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    rows, labels = make_classification(
        300, 12, n_informative=8, n_redundant=0, n_classes=3, random_state=0
    )
    names = np.array(["north", "east", "south"])[labels]
    yield Example("three classes", QuadraticDiscriminantAnalysis().fit(rows, names), rows)
    two = QuadraticDiscriminantAnalysis(reg_param=0.1, store_covariance=True)
    yield Example("two classes", two.fit(rows, labels > 1), rows)


FAMILY = Family(
    name="discriminant",
    types=frozenset({_QUADRATIC}),
    slots={"rotations_/*": _DIRECTIONS, "classes_": Slot(Role.LABEL)}
    | slots_for(
        ("means_", "scalings_/*", "covariance_/*", "priors_"),
        Slot(Role.STATISTIC, note="distances are divided by variances that may be next to nothing"),
    ),
    lower=lower,
    examples=examples,
)
