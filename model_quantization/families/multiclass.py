"""Classifiers made of binary ones: one for each class, for each pair, or for each bit of a code."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Lowered
from model_quantization.families.shared.children import (
    Ask,
    Combine,
    Unanswered,
    answered,
    deciding_method,
    lower_all,
    over_children,
)
from model_quantization.kernels.linear.multiclass import nearest_codes, pairwise_votes
from model_quantization.schemes.scheme import Role, Slot

_ONE_VS_REST = "sklearn.multiclass:OneVsRestClassifier"
# As scikit-learn before 1.8: of equal scores the last class wins.
_LAST_OF_TIES = "model_quantization.estimators.as_saved:LastOfTiesOneVsRest"
_ONE_VS_ONE = "sklearn.multiclass:OneVsOneClassifier"
_OUTPUT_CODE = "sklearn.multiclass:OutputCodeClassifier"


def lower(component: Component, exact: bool) -> Lowered | None:
    """The fast predictor over all binary classifiers, or None when one of them has none."""
    children = lower_all(component.get("estimators_"), exact)
    if children is None:
        return None
    pairs = zip(component["estimators_"], children, strict=True)
    deciding = {deciding_method(one, lowered) for one, lowered in pairs}
    method = deciding.pop()
    if deciding or method is None:
        return None
    binary = _Binary(children, method)
    combine = _COMBINE[component.type](component, binary)
    return None if combine is None else over_children(children, combine, exact, component.path)


class _Binary:
    """The binary classifiers: how each decides, and where the border is."""

    def __init__(self, children: list[Lowered], method: str) -> None:
        self.children = children
        self.n = len(children)
        self.method = method
        self.border = 0.0 if method == "decision_function" else 0.5

    def decision(self, ask: Ask, index: int) -> Array:
        """The score of one of them, shape (n_rows,)."""
        found = ask(index, self.method)
        return found[:, 1] if self.method == "predict_proba" else found.ravel()

    def decisions(self, ask: Ask) -> list[Array]:
        """The scores of all."""
        return [self.decision(ask, index) for index in range(self.n)]


def _one_vs_rest(component: Component, binary: _Binary) -> dict[str, Combine] | None:
    binarizer = component.get("label_binarizer_")
    if not isinstance(binarizer, Component) or binarizer.get("sparse_input_"):
        return None
    kind, classes = binarizer.get("y_type_"), binarizer["classes_"]
    if kind not in ("multiclass", "binary", "multilabel-indicator"):
        return None

    def predict(ask: Ask) -> Array:
        scores = np.array(binary.decisions(ask))
        if kind == "multiclass" and component.type == _LAST_OF_TIES:
            return np.asarray(classes[binary.n - 1 - scores[::-1].argmax(axis=0)])
        if kind == "multiclass":
            return np.asarray(classes[scores.argmax(axis=0)])
        above = (scores > binary.border).astype(np.int64)
        return np.asarray(classes[above.ravel()]) if kind == "binary" else above.T.copy()

    def predict_proba(ask: Ask) -> Array:
        probability = np.array([ask(i, "predict_proba")[:, 1] for i in range(binary.n)]).T
        if binary.n == 1:
            probability = np.concatenate((1 - probability, probability), axis=1)
        if kind != "multilabel-indicator":
            total = np.sum(probability, axis=1)[:, np.newaxis]
            np.divide(probability, total, out=probability, where=total != 0)
        return probability

    def decision_function(ask: Ask) -> Array:
        if binary.n == 1:
            return ask(0, "decision_function")
        return np.array([ask(i, "decision_function").ravel() for i in range(binary.n)]).T

    known: dict[str, Combine] = {"predict": predict}
    if answered(binary.children, "predict_proba"):
        known["predict_proba"] = predict_proba
    if answered(binary.children, "decision_function"):
        known["decision_function"] = decision_function
    return known


def _one_vs_one(component: Component, binary: _Binary) -> dict[str, Combine] | None:
    classes = component["classes_"]
    n_classes = len(classes)
    if component.get("pairwise_indices_") is not None or not answered(binary.children, "predict"):
        return None
    if binary.n != n_classes * (n_classes - 1) // 2:
        return None

    def decision_function(ask: Ask) -> Array:
        labels = np.vstack([ask(index, "predict") for index in range(binary.n)]).T
        votes = pairwise_votes(labels, np.vstack(binary.decisions(ask)).T, n_classes)
        return votes[:, 1] if n_classes == 2 else votes

    def predict(ask: Ask) -> Array:
        votes = decision_function(ask)
        winners = (votes > binary.border).astype(int) if n_classes == 2 else votes.argmax(axis=1)
        return np.asarray(classes[winners])

    return {"predict": predict, "decision_function": decision_function}


def _output_code(component: Component, binary: _Binary) -> dict[str, Combine] | None:
    classes, codes = component["classes_"], component["code_book_"]
    if codes.shape != (len(classes), binary.n):
        return None

    def predict(ask: Ask) -> Array:
        nearest = nearest_codes(np.array(binary.decisions(ask), dtype=np.float64).T, codes)
        if nearest is None:
            raise Unanswered
        return np.asarray(classes[nearest])

    return {"predict": predict}


_COMBINE = {
    _ONE_VS_REST: _one_vs_rest,
    _LAST_OF_TIES: _one_vs_rest,
    _ONE_VS_ONE: _one_vs_one,
    _OUTPUT_CODE: _output_code,
}


def examples() -> Iterable[Example]:
    """Each of them over linear models, one over trees, and several labels at once."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    rows, labels = make_classification(
        200, 40, n_informative=12, n_classes=4, n_clusters_per_class=1, random_state=0
    )
    names = np.array(["north", "east", "south", "west"])[labels]
    several = np.column_stack([labels > 1, labels == 2, labels < 2]).astype(int)
    tree = DecisionTreeClassifier(max_depth=5, random_state=0)
    yield Example("one for each class", OneVsRestClassifier(LinearSVC()).fit(rows, names), rows)
    yield Example(
        "several labels", OneVsRestClassifier(LogisticRegression()).fit(rows, several), rows
    )
    yield Example(
        "two classes", OneVsRestClassifier(LogisticRegression()).fit(rows, labels > 1), rows
    )
    yield Example("of trees", OneVsRestClassifier(tree).fit(rows, names), rows)
    yield Example(
        "one for each pair", OneVsOneClassifier(LogisticRegression()).fit(rows, names), rows
    )
    coded = OutputCodeClassifier(LinearSVC(), code_size=2.5, random_state=0)
    yield Example("codes", coded.fit(rows, names), rows)


FAMILY = Family(
    name="multiclass",
    types=frozenset(_COMBINE),
    slots={
        "classes_": Slot(Role.LABEL),
        "code_book_": Slot(Role.LABEL, note="the nearest code decides"),
    },
    lower=lower,
    examples=examples,
)
