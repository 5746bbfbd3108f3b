"""Several targets: one model per target, side by side or in a chain of models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import LinearScores, text_step
from model_quantization.families.lowered import Lowered, Method, NotFast, behind_text
from model_quantization.families.shared.chained_scores import AskChained, chained_behind
from model_quantization.families.shared.children import (
    Combine,
    answered,
    estimators_in,
    lower_all,
    over_children,
)
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.multioutput"
_SIDE_BY_SIDE = frozenset({f"{_MODULE}:MultiOutputClassifier", f"{_MODULE}:MultiOutputRegressor"})
_CLASSIFIER_CHAIN = f"{_MODULE}:ClassifierChain"
_REGRESSOR_CHAIN = f"{_MODULE}:RegressorChain"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor over the targets' models, or the reason why it has none."""
    children = lower_all(component.get("estimators_"), exact)
    if isinstance(children, NotFast):
        return children
    if not answered(children, "predict"):
        return NotFast("the model of a target has no fast `predict`")
    if component.type not in _SIDE_BY_SIDE:
        return _chain(component, children)
    indices = range(len(children))
    combine: dict[str, Combine] = {
        "predict": lambda ask: np.asarray([ask(i, "predict") for i in indices]).T
    }
    if answered(children, "predict_proba"):
        combine["predict_proba"] = lambda ask: [ask(i, "predict_proba") for i in indices]
    return over_children(
        children,
        combine,
        exact=exact,
        names=(component.path,),
        by=f"{len(children)} models side by side",
        decides_by="predict_proba",
    )


def sees_input(component: Component) -> list[Component]:
    """Every model looks at the rows itself, but for those of a chain."""
    if component.type not in _SIDE_BY_SIDE:
        return [component]
    return estimators_in(component, "estimators_")


def _chain(component: Component, children: list[Lowered]) -> Lowered | NotFast:
    """Each model sees the rows and the answers of those before it."""
    n, width = len(children), children[0].n_features
    if any(child.input != "rows" or child.n_features is None for child in children):
        return NotFast("a model of the chain takes something else than rows of numbers")
    if width is None or [child.n_features for child in children] != list(range(width, width + n)):
        return NotFast("its models do not see the answers of those before them")
    feeding = component.get("chain_method_", "predict")
    order = np.asarray(component["order_"])
    inverse = np.empty(n, dtype=np.int64)
    inverse[order] = np.arange(n)
    binary = all(one.classes is not None and len(one.classes) == 2 for one in children)
    by = f"a chain of {n} models"
    names = (component.path, *(name for child in children for name in child.names))

    def answer(ask: AskChained, n_rows: int, name: str) -> Array | None:
        fed, answers = np.zeros((n_rows, n)), np.zeros((n_rows, n))
        for index in range(n):
            for asked, into in ((feeding, fed), (name, answers)):
                found = ask(index, asked, fed[:, :index])
                if found is None:
                    return None
                into[:, index] = found[:, 1] if asked == "predict_proba" else found
        return answers[:, inverse]

    def of_rows(name: str) -> Method:
        def call(rows: Array, n_jobs: int | None = None) -> Array | None:
            def ask(index: int, asked: str, fed: Array) -> Array | None:
                found: Array | None = children[index].methods[asked](np.hstack((rows, fed)))
                return found

            return answer(ask, len(rows), name)

        return call

    def absorb(previous: Lowered) -> Lowered | None:
        scored = [child.form for child in children if isinstance(child.form, LinearScores)]
        step = text_step(previous.form)
        if step is None or len(scored) != n:
            return None
        asker = chained_behind(step, scored, width)
        if asker is None:
            return None

        def of_documents(name: str) -> Method:
            def call(documents: Any, n_jobs: int | None = None) -> Array | None:
                ask = asker(documents, n_jobs)
                return None if ask is None else answer(ask, len(documents), name)

            return call

        answered_fast = _chain_methods(of_documents, feeding, children, binary)
        return behind_text(previous, answered_fast, by=by, names=names)

    methods = _chain_methods(of_rows, feeding, children, binary)
    if not methods:
        return NotFast(f"`{feeding}`, which feeds the chain, has no fast predictor in each model")
    return Lowered(methods, by=by, names=names, n_features=width, absorb=absorb)


def _chain_methods(
    make: Callable[[str], Method], feeding: str, children: list[Lowered], binary: bool
) -> dict[str, Method]:
    """The methods that all models of a chain can answer, and be fed by."""
    methods: dict[str, Method] = {}
    for name in ("predict", "predict_proba", "decision_function"):
        asked = {name, feeding}
        if asked != {"predict"} and not binary:
            continue
        if all(answered(children, one) for one in asked):
            methods[name] = make(name)
    if "predict_proba" in methods:
        methods["predict_log_proba"] = _logarithm(methods["predict_proba"])
    return methods


def _logarithm(proba: Method) -> Method:
    def call(rows: Any, n_jobs: int | None = None) -> Array | None:
        found = proba(rows, n_jobs)
        return None if found is None else np.log(found)

    return call


def examples() -> Iterable[Example]:
    """Classifiers and regressors, side by side and in chains."""
    from sklearn.datasets import make_multilabel_classification
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multioutput import (
        ClassifierChain,
        MultiOutputClassifier,
        MultiOutputRegressor,
        RegressorChain,
    )

    rows, labels = make_multilabel_classification(200, 40, n_classes=3, random_state=0)
    targets = rows[:, :3] - rows[:, 3:6]
    some = np.column_stack([labels[:, 0], labels.sum(axis=1)])
    logistic = LogisticRegression(max_iter=500)
    yield Example("labels", MultiOutputClassifier(logistic).fit(rows, some), rows)
    yield Example("numbers", MultiOutputRegressor(Ridge()).fit(rows, targets), rows)
    chain = ClassifierChain(logistic, order=[2, 0, 1], chain_method="predict_proba")
    yield Example("chain of labels", chain.fit(rows, labels), rows)
    yield Example("chain of numbers", RegressorChain(Ridge()).fit(rows, targets), rows)


FAMILY = Family(
    name="multioutput",
    types=_SIDE_BY_SIDE | {_CLASSIFIER_CHAIN, _REGRESSOR_CHAIN},
    slots={
        "classes_": Slot(Role.LABEL),
        "classes_/*": Slot(Role.LABEL),
        "order_": Slot(Role.INDEX),
    },
    lower=lower,
    sees_input=sees_input,
    examples=examples,
)
