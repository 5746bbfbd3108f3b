"""Label propagation: known rows give their labels to the rows that are like them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.known_rows import of_known_rows
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.linear.similarities import likenesses
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.semi_supervised._label_propagation"
_TYPES = frozenset({f"{_MODULE}:LabelPropagation", f"{_MODULE}:LabelSpreading"})


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The mean of the known rows' labels, weighed by likeness."""
    known, labels = component.get("X_"), component.get("label_distributions_")
    classes, gamma = component.get("classes_"), component.get("gamma")
    if component.get("kernel") != "rbf" or not isinstance(gamma, int | float):
        return NotFast("it asks the nearest rows, or measures likeness by a function of its own")
    arrays = (known, labels, classes)
    if not all(isinstance(each, np.ndarray) for each in arrays) or known.dtype.char != "d":
        return NotFast("the rows that it keeps are sparse, or no float64")
    like = likenesses(known, gamma)

    def predict_proba(rows: Array) -> Array | None:
        if rows.dtype.char != "d" or not all_finite(rows):
            return None
        shares = like(rows).T @ labels
        shares /= np.atleast_2d(np.sum(shares, axis=1)).T
        return np.asarray(shares)

    def predict(rows: Array) -> Array | None:
        shares = predict_proba(rows)
        return None if shares is None else np.asarray(classes[np.argmax(shares, axis=1)].ravel())

    methods = {"predict": predict, "predict_proba": predict_proba}
    by = f"labels of {len(known)} rows by likeness"
    return of_known_rows(component, methods, by=by, known=known)


def examples() -> Iterable[Example]:
    """Labels that spread, and labels that stay."""
    from sklearn.semi_supervised import LabelPropagation, LabelSpreading

    rows = np.random.default_rng(0).normal(size=(90, 5))
    some = np.where(np.arange(90) % 3 == 0, (rows[:, 0] > 0).astype(int), -1)
    yield Example("spreading", LabelSpreading(gamma=0.4).fit(rows, some), rows)
    yield Example("propagation", LabelPropagation(gamma=0.5).fit(rows, some), rows)


FAMILY = Family(
    name="propagation",
    types=_TYPES,
    slots={
        "X_": Slot(Role.SUPPORT, channel_axis=1),
        "label_distributions_": Slot(Role.STATISTIC),
        "classes_": Slot(Role.LABEL),
        "transduction_": Slot(Role.LABEL),
    },
    lower=lower,
    examples=examples,
)
