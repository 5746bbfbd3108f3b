"""Predictors over predictors: what models that hold several fitted models share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Lowered, Method
from model_quantization.families.shared.scored import Answer, Scored, Scores

Ask: TypeAlias = Callable[[int, str], Array]
Combine: TypeAlias = Callable[[Ask], Any]

_PIPELINE = "sklearn.pipeline:Pipeline"
# Classifiers of scikit-learn that have probabilities but no decision function.
_ONLY_PROBABILITIES = frozenset(
    f"sklearn.{name}"
    for name in (
        "calibration:CalibratedClassifierCV",
        "ensemble._forest:ExtraTreesClassifier",
        "ensemble._forest:RandomForestClassifier",
        "naive_bayes:BernoulliNB",
        "naive_bayes:CategoricalNB",
        "naive_bayes:ComplementNB",
        "naive_bayes:GaussianNB",
        "naive_bayes:MultinomialNB",
        "neighbors._classification:KNeighborsClassifier",
        "neural_network._multilayer_perceptron:MLPClassifier",
        "tree._classes:DecisionTreeClassifier",
        "tree._classes:ExtraTreeClassifier",
    )
)


class Unanswered(Exception):
    """A child leaves these rows to the restored estimator, so its parent does, too."""


def lower_all(components: object, exact: bool) -> list[Lowered] | None:
    """The predictor of each of these components, or None when one has none."""
    if not isinstance(components, list | tuple) or not components:
        return None
    lowered = [one.lower(exact) if isinstance(one, Component) else None for one in components]
    found = [one for one in lowered if one is not None]
    return found if len(found) == len(lowered) else None


def over_children(
    children: Sequence[Lowered], combine: Mapping[str, Combine], exact: bool, path: str
) -> Lowered | None:
    """The predictor that makes its answers of its children's.

    Children that answer from linear scores are scored together, in one pass.

    Parameters
    ----------
    children : sequence of Lowered
    combine : mapping of str to callable
        Method name -> `combine(ask)`, the answer; `ask(i, method)` is what child `i` answers.
        What it gives may be changed.
    exact : bool
    path : str
        Where the parent is.

    Returns
    -------
    Lowered or None
        None when the children take different input.
    """
    names = (path, *(name for child in children for name in child.names))
    scored = [child.scored for child in children if child.scored is not None]
    if len({(child.input, child.n_features) for child in children}) != 1:
        return None
    if len(scored) == len(children):
        return _together(scored, combine, exact, names)

    def method(answer: Combine) -> Method:
        def call(rows: Any) -> Any:
            def ask(index: int, name: str) -> Array:
                found: Array | None = children[index].methods[name](rows)
                if found is None:
                    raise Unanswered
                return found

            try:
                return answer(ask)
            except Unanswered:
                return None

        return call

    methods = {name: method(answer) for name, answer in combine.items()}
    return replace(children[0], methods=methods, names=names, affine=None, absorb=None, text=None)


def _together(
    children: Sequence[Scored], combine: Mapping[str, Combine], exact: bool, names: tuple[str, ...]
) -> Lowered:
    """The predictor whose maps are those of all children, side by side."""
    ends = np.cumsum([len(child.maps) for child in children]).tolist()
    starts = [0, *ends[:-1]]

    def method(answer: Combine) -> Answer:
        def of_scores(scores: Scores) -> Any:
            def ask(index: int, name: str) -> Array:
                # A copy: what turns scores into an answer may do it in place.
                own = [part.copy() for part in scores[starts[index] : ends[index]]]
                found: Array = children[index].answers[name].of_scores(own)
                return found

            try:
                return answer(ask)
            except Unanswered:
                return None

        return Answer(of_scores)

    maps = tuple(one for child in children for one in child.maps)
    answers = {name: method(answer) for name, answer in combine.items()}
    return Scored(maps, answers, exact, names).lowered()


def answered(lowered: Sequence[Lowered], name: str) -> bool:
    """Whether all of them answer the method."""
    return all(name in one.methods for one in lowered)


def deciding_method(component: object, lowered: Lowered) -> str | None:
    """The method whose scores decide for a classifier, as scikit-learn chooses it.

    Returns
    -------
    str or None
        `decision_function` if the classifier has one, else `predict_proba`. None: the classifier
        has the first, or may have it, but is not answered fast there.
    """
    if "decision_function" in lowered.methods:
        return "decision_function"
    last = last_step(component)
    if last is not None and last.type in _ONLY_PROBABILITIES and "predict_proba" in lowered.methods:
        return "predict_proba"
    return None


def last_step(component: object) -> Component | None:
    """The component itself, or the last step of a pipeline."""
    while isinstance(component, Component) and component.type == _PIPELINE:
        component = component["steps"][-1][1]
    return component if isinstance(component, Component) else None


def classes_of(component: object) -> Array | None:
    """The classes of a fitted classifier, also where it takes them from a part of itself."""
    last = last_step(component)
    if last is None:
        return None
    holder = last.get("label_binarizer_", last)
    classes = holder.get("classes_") if isinstance(holder, Component) else None
    if classes is None and isinstance(last.get("estimator"), Component):
        return classes_of(last["estimator"])
    return classes if isinstance(classes, np.ndarray) else None
