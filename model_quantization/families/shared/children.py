"""Predictors over predictors: shared by models that hold several fitted models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forms import Answer, LinearScores, Scores
from model_quantization.families.lowered import (
    Deciding,
    Integers,
    Lowered,
    Method,
    NotFast,
    Takes,
)
from model_quantization.families.shared.linear_scores import ScoredModel

Ask: TypeAlias = Callable[[int, str], Array]
Combine: TypeAlias = Callable[[Ask], Any]


THE_ROWS: Final = -1
"""Asked for a child of this number, `ask` gives the rows as they came; not in one pass."""


class Unanswered(Exception):
    """A child leaves these rows to the restored estimator, so its parent does, too."""


def lower_all(components: object, exact: bool) -> list[Lowered] | NotFast:
    """The predictor of each of these components, or why one of them has none."""
    if not isinstance(components, list | tuple) or not components:
        return NotFast("it holds no estimator, or no list of them")
    # All are asked, also after one that has none: `explain()` shows the answer of each.
    lowered = [
        one.lower(exact) if isinstance(one, Component) else NotFast("a part is no estimator")
        for one in components
    ]
    for one in lowered:
        if isinstance(one, NotFast):
            return one
    return [one for one in lowered if isinstance(one, Lowered)]


def over_children(
    children: Sequence[Lowered],
    combine: Mapping[str, Combine],
    *,
    exact: bool,
    names: tuple[str, ...],
    by: str,
    classes: Array | None = None,
    decides_by: Deciding = "decision_function",
    together: bool = True,
) -> Lowered | NotFast:
    """The predictor that makes its answers of its children's.

    Children that answer from linear scores are scored together, in one pass.

    Parameters
    ----------
    children : sequence of Lowered
    combine : mapping of str to callable
        Method name -> `combine(ask)`, the answer; `ask(i, method)` is the answer of child `i`,
        which may be changed.
    exact : bool
    names : tuple of str
        Paths of the parent and of other components that `combine` asks, but for the children's.
    by : str
        How the parent combines the answers.
    classes, decides_by
        As in `Lowered`.
    together : bool
        Whether `combine` asks for nothing but what linear scores answer: then models of those may
        be scored in one pass.
    """
    first = children[0]
    if any((one.input, one.n_features) != (first.input, first.n_features) for one in children):
        return NotFast("its models take input of different kinds")
    names = (*names, *(name for child in children for name in child.names))
    scored = [child.form for child in children if isinstance(child.form, LinearScores)]
    integers = _integers(children)
    if (
        together
        and len(scored) == len(children)
        and all(one.integers == integers for one in children)
    ):
        joined = _together(scored, combine)
        count = len(joined.maps)
        by = f"{by}, of {count} linear {'map' if count == 1 else 'maps'} in one pass"
        model = ScoredModel(joined, exact, names, by, classes, decides_by, integers)
        return model.lowered()
    ways = list(dict.fromkeys(child.by for child in children))
    return Lowered(
        {name: _asking(children, answer, integers) for name, answer in combine.items()},
        by=f"{by} ({'; '.join(ways)})",
        names=names,
        input=first.input,
        n_features=first.n_features,
        integers=integers,
        takes=min((child.takes for child in children), key=_STRICTEST.index),
        classes=classes,
        decides_by=decides_by,
    )


_STRICTEST: tuple[Takes, ...] = ("arrays", "floats", "plain", "numbers")


def _integers(children: Sequence[Lowered]) -> Integers:
    """How the parent wants integers: as its children do, or for each of them to convert."""
    wanted = {child.integers for child in children}
    if len(wanted) == 1:
        return wanted.pop()
    # Products of linear models have other last bits where the rows lie otherwise in memory.
    products = any(
        child.integers == "float64" and isinstance(child.form, LinearScores) for child in children
    )
    return "each" if products or wanted & {"float32", "each"} else "kept"


def _asking(children: Sequence[Lowered], answer: Combine, integers: Integers) -> Method:
    def call(rows: Any) -> Any:
        def ask(index: int, name: str) -> Array:
            if index == THE_ROWS:
                return np.asarray(rows)
            child = children[index]
            given = rows if child.integers == integers else as_floats(rows, child.integers)
            found: Array | None = child.methods[name](given)
            if found is None:
                raise Unanswered
            return found

        return _answered(answer, ask)

    return call


def _answered(answer: Combine, ask: Ask) -> Any:
    """The parent's answer; None where a child has none to these rows."""
    try:
        return answer(ask)
    except Unanswered:
        return None


def as_floats(rows: Array, integers: Integers) -> Array:
    """The rows with integers as this predictor takes them; rows of floats are as they were."""
    if integers in ("kept", "each") or rows.dtype.kind == "f":
        return rows
    return rows.astype(np.dtype(integers))


def _together(children: Sequence[LinearScores], combine: Mapping[str, Combine]) -> LinearScores:
    """The maps of all children side by side, and the parent's answers from all their scores."""
    ends = np.cumsum([len(child.maps) for child in children]).tolist()
    starts = [0, *ends[:-1]]

    def method(answer: Combine) -> Answer:
        def of_scores(scores: Scores) -> Any:
            def ask(index: int, name: str) -> Array:
                # A copy: what turns scores into an answer may do it in place.
                own = [part.copy() for part in scores[starts[index] : ends[index]]]
                found: Array | None = children[index].answers[name].of_scores(own)
                if found is None:
                    raise Unanswered
                return found

            return _answered(answer, ask)

        return Answer(of_scores)

    maps = tuple(one for child in children for one in child.maps)
    return LinearScores(maps, {name: method(answer) for name, answer in combine.items()})


def estimators_in(component: Component, name: str) -> list[Component]:
    """The components in this attribute, a list; the component itself where there are none."""
    found = component.get(name)
    members = found if isinstance(found, list | tuple) else []
    return [one for one in members if isinstance(one, Component)] or [component]


def answered(lowered: Sequence[Lowered], name: str) -> bool:
    """Whether all of them answer the method."""
    return all(name in one.methods for one in lowered)
