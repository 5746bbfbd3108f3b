"""Pipelines: steps one after the other, folded into one where the arithmetic allows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import (
    Affine,
    Columns,
    Projection,
    Selection,
    text_step,
)
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.children import lower_all
from model_quantization.families.shared.sequence import one_after_the_other

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues

_FUNCTION = "sklearn.preprocessing._function_transformer:FunctionTransformer"
_PIPELINE = "sklearn.pipeline:Pipeline"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of the whole pipeline, or the reason why it has none."""
    steps = [step for _, step in component["steps"] if step not in ("passthrough", None)]
    lowered = lower_all(steps, exact)
    if isinstance(lowered, NotFast):
        return lowered
    _fold_the_end(lowered)
    while len(lowered) > 1 and _needs_the_next(lowered[0]):
        both = one_after_the_other(lowered[0], lowered[1])
        if isinstance(both, NotFast):
            return both
        lowered[:2] = [both]
    whole = lowered.pop()
    while lowered:
        previous = lowered.pop()
        both = one_after_the_other(previous, whole)
        if isinstance(both, NotFast):
            return both
        whole = both
    return whole


def _fold_the_end(lowered: list[Lowered]) -> None:
    """Let the last step take in linear ones before it, so that text goes straight to its scores."""
    while len(lowered) > 1 and isinstance(lowered[-2].form, Affine | Projection | Selection):
        absorb = lowered[-1].absorb
        folded = absorb(lowered[-2]) if absorb else None
        if folded is None:
            return
        lowered[-2:] = [folded]


def _needs_the_next(step: Lowered) -> bool:
    """Whether only a step that takes it in can go on from here.

    Text becomes a sparse matrix, and filled columns of names a matrix of objects: neither is made.
    """
    if text_step(step.form) is not None:
        return True
    return isinstance(step.form, Columns) and step.form.encoder is None


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
    """The first step that looks at columns; without such a step, the pipeline itself."""
    steps = (step for _, step in component["steps"] if isinstance(step, Component))
    return (next((step for step in steps if not _is_blind(step)), component),)


def _is_blind(step: Component) -> bool:
    """Whether a step gives its input to a function as it comes, without a look at its columns."""
    return step.type == _FUNCTION and not step.get("validate")


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
