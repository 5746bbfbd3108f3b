"""Classifiers made of binary ones: one per class, per pair of classes, or per bit of a code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import (
    Ask,
    Combine,
    Unanswered,
    answered,
    estimators_in,
    lower_all,
    over_children,
)
from model_quantization.kernels.linear.multiclass import nearest_codes, pairwise_votes
from model_quantization.schemes.scheme import Role, Slot

_ONE_VS_REST = "sklearn.multiclass:OneVsRestClassifier"
# As scikit-learn before 1.8: of equal scores the last class wins.
_LAST_OF_TIES = "model_quantization.estimators.as_saved:LastOfTiesOneVsRest"
# As scikit-learn before 1.7: that, and NaN where no class has a chance.
_UNSHARED = "model_quantization.estimators.as_saved:UnsharedOneVsRest"
_ONE_VS_ONE = "sklearn.multiclass:OneVsOneClassifier"
_OUTPUT_CODE = "sklearn.multiclass:OutputCodeClassifier"
_CONSTANT = "sklearn.multiclass:_ConstantPredictor"

_Made: TypeAlias = tuple[dict[str, Combine], Array | None]  # the answers, and the classes


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor over all binary classifiers, or the reason why it has none."""
    children = lower_all(component.get("estimators_"), exact)
    if isinstance(children, NotFast):
        return children
    methods = {one.deciding_method for one in children}
    method = methods.pop()
    if methods or method is None:
        return NotFast("its binary classifiers have no fast scores of one kind")
    first: Component = component["estimators_"][0]
    binary = _Binary(children, method, is_constant=first.type == _CONSTANT)
    made = _COMBINE[component.type](component, binary)
    if isinstance(made, NotFast):
        return made
    combine, classes = made
    return over_children(
        children,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"decisions of {len(children)} binary classifiers",
        classes=classes,
        decides_by="decision_function" if component.type == _ONE_VS_ONE else method,
    )


class _Binary:
    """The binary classifiers: how each decides, and where the border is."""

    def __init__(self, children: list[Lowered], method: str, *, is_constant: bool) -> None:
        self.children = children
        self.n = len(children)
        self.method = method
        # scikit-learn asks the first one alone where the border is, and a constant is no
        # classifier to it: then scores are compared as probabilities are.
        self.border = 0.0 if method == "decision_function" and not is_constant else 0.5

    def decision(self, ask: Ask, index: int) -> Array:
        """The score of one of them, shape (n_rows,)."""
        found = ask(index, self.method)
        return found[:, 1] if self.method == "predict_proba" else found.ravel()

    def decisions(self, ask: Ask) -> list[Array]:
        """The scores of all."""
        return [self.decision(ask, index) for index in range(self.n)]


def sees_input(component: Component) -> list[Component]:
    """Every classifier looks at the rows itself, but for those of one against one."""
    if component.type == _ONE_VS_ONE:
        return [component]
    return estimators_in(component, "estimators_")


def _one_vs_rest(component: Component, binary: _Binary) -> _Made | NotFast:
    binarizer = component.get("label_binarizer_")
    if not isinstance(binarizer, Component) or binarizer.get("sparse_input_"):
        return NotFast("its labels are a sparse matrix")
    kind, classes = binarizer.get("y_type_"), binarizer["classes_"]
    if kind not in ("multiclass", "binary", "multilabel-indicator"):
        return NotFast(f"labels of type {kind} are not known")
    if classes.shape != (2 if kind == "binary" else binary.n,) or (
        kind == "binary" and binary.n != 1
    ):
        return NotFast("it has not one classifier per class")

    def predict(ask: Ask) -> Array:
        scores = np.array(binary.decisions(ask))
        if kind == "multiclass" and component.type in (_LAST_OF_TIES, _UNSHARED):
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
            if component.type == _UNSHARED:
                probability[total[:, 0] == 0] = np.nan
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
    return known, None if kind == "multilabel-indicator" else classes


def _one_vs_one(component: Component, binary: _Binary) -> _Made | NotFast:
    classes = component["classes_"]
    n_classes = len(classes)
    if component.get("pairwise_indices_") is not None or not answered(binary.children, "predict"):
        return NotFast("its classifiers are asked about distances between rows")
    if binary.n != n_classes * (n_classes - 1) // 2:
        return NotFast("it has not one classifier per pair of classes")

    def decision_function(ask: Ask) -> Array:
        labels = np.vstack([ask(index, "predict") for index in range(binary.n)]).T
        votes = pairwise_votes(labels, np.vstack(binary.decisions(ask)).T, n_classes)
        return votes[:, 1] if n_classes == 2 else votes

    def predict(ask: Ask) -> Array:
        votes = decision_function(ask)
        winners = (votes > binary.border).astype(int) if n_classes == 2 else votes.argmax(axis=1)
        return np.asarray(classes[winners])

    return {"predict": predict, "decision_function": decision_function}, classes


def _output_code(component: Component, binary: _Binary) -> _Made | NotFast:
    classes, codes = component["classes_"], component["code_book_"]
    if codes.shape != (len(classes), binary.n):
        return NotFast("its codes do not fit its classifiers")

    def predict(ask: Ask) -> Array:
        nearest = nearest_codes(np.array(binary.decisions(ask), dtype=np.float64).T, codes)
        if nearest is None:
            raise Unanswered
        return np.asarray(classes[nearest])

    return {"predict": predict}, classes


_COMBINE = {
    _ONE_VS_REST: _one_vs_rest,
    _LAST_OF_TIES: _one_vs_rest,
    _UNSHARED: _one_vs_rest,
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
    sees_input=sees_input,
    examples=examples,
)
