"""Pipelines: steps one after the other, folded into one where the arithmetic allows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import Columns, matrix_of, text_step
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.children import lower_all

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues

_PIPELINE = "sklearn.pipeline:Pipeline"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of the whole pipeline, or why there is none."""
    steps = [step for _, step in component["steps"] if step not in ("passthrough", None)]
    lowered = lower_all(steps, exact)
    if isinstance(lowered, NotFast):
        return lowered
    while len(lowered) > 1 and _needs_the_next(lowered[0]):
        fused = lowered[1].absorb(lowered[0]) if lowered[1].absorb else None
        if fused is None:
            return NotFast(f"{lowered[1].by} cannot take in {lowered[0].by}")
        lowered[:2] = [fused]
    whole = lowered.pop()
    while lowered:
        previous = lowered.pop()
        both = (whole.absorb(previous) if whole.absorb else None) or _after(previous, whole)
        if isinstance(both, NotFast):
            return both
        whole = both
    return whole


def _needs_the_next(step: Lowered) -> bool:
    """Whether only a step that takes it in can go on from here.

    Text becomes a sparse matrix, and filled columns of names a matrix of objects: neither is made.
    """
    if text_step(step.form) is not None:
        return True
    return isinstance(step.form, Columns) and step.form.encoder is None


def _after(first: Lowered, then: Lowered) -> Lowered | NotFast:
    """Both steps in turn, each as it is."""
    transform = matrix_of(first.form) or first.methods.get("transform")
    if transform is None:
        return NotFast(f"{first.by} has no fast `transform` for the step after it")
    if then.input != "rows":
        return NotFast(f"{then.by} takes no rows of numbers, as the step before it gives")

    def method(call: Method) -> Method:
        def both(rows: Any) -> Any:
            between = transform(rows)
            return None if between is None else call(between)

        return both

    return Lowered(
        {name: method(call) for name, call in then.methods.items()},
        by=f"{first.by}, then {then.by}",
        names=first.names + then.names,
        input=first.input,
        n_features=first.n_features,
        n_columns=then.n_columns,
        integers=first.integers,
        takes=first.takes,
        classes=then.classes,
        decides_by=then.decides_by,
    )


def probe(component: Component, collect: Collect) -> ProbeValues:
    """Return the first step's values, and those of later steps as far as scalers carry them."""
    from model_quantization.families.probing import merged

    found: list[ProbeValues] = []
    scale: Any = 1.0
    shift: Any = 0.0
    for _, step in component["steps"]:
        if not isinstance(step, Component):
            continue
        values = collect(step)
        found.append(values.unscaled(*np.broadcast_arrays(scale, shift)) if found else values)
        scaler = _scaling(step)
        if scaler is None:
            break
        scale, shift = scale * scaler[0], shift * scaler[0] + scaler[1]
    return merged(found)


def _scaling(step: Component) -> tuple[Array, Array] | None:
    """The scale and shift of a step that does no more than that, per column."""
    scale, mean, least = (step.get(name) for name in ("scale_", "mean_", "min_"))
    if not isinstance(scale, np.ndarray):
        return None
    if isinstance(least, np.ndarray):  # MinMaxScaler: x * scale_ + min_
        return scale, least
    if isinstance(mean, np.ndarray):  # StandardScaler: (x - mean_) / scale_
        return 1.0 / scale, -mean / scale
    return None


def sees_input(component: Component) -> tuple[Component, ...]:
    """The first step that is an estimator; the pipeline itself, where there is none."""
    steps = (step for _, step in component["steps"])
    return (next((step for step in steps if isinstance(step, Component)), component),)


def examples() -> Iterable[Example]:
    """A scaler before a linear model, and a step that passes through."""
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, labels = make_classification(200, 40, n_informative=10, random_state=0)
    model = make_pipeline(StandardScaler(), "passthrough", LogisticRegression())
    yield Example("scaled", model.fit(rows, labels), rows)


FAMILY = Family(
    name="pipeline",
    types=frozenset({_PIPELINE}),
    lower=lower,
    parts={_PIPELINE: Parts("steps", "step")},
    sees_input=sees_input,
    probe=probe,
    examples=examples,
)
