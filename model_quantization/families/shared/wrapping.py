"""Models around one model: the same methods under another name, or behind a step."""

from __future__ import annotations

from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.sequence import one_after_the_other


def renamed(component: Component, inside: object, exact: bool) -> Lowered | NotFast:
    """The fast predictor of the estimator inside, which answers for the one around it."""
    if not isinstance(inside, Component):
        return NotFast("there is no fitted estimator inside")
    lowered = inside.lower(exact)
    if isinstance(lowered, NotFast):
        return lowered
    return Lowered(
        lowered.methods,
        by=lowered.by,
        names=(component.path, *lowered.names),
        input=lowered.input,
        n_features=lowered.n_features,
        n_columns=lowered.n_columns,
        form=lowered.form,
        absorb=lowered.absorb,
        integers=lowered.integers,
        takes=lowered.takes,
        classes=lowered.classes,
        decides_by=lowered.decides_by,
        sparse_as_dense=lowered.sparse_as_dense,
        inverse=lowered.inverse,
    )


def delegating(
    component: Component, step: Lowered, inside: object, exact: bool
) -> Lowered | NotFast:
    """The step's `transform`, and the answers of the model inside to what the step gives."""
    if not isinstance(inside, Component):
        return NotFast("there is no fitted estimator inside")
    lowered = inside.lower(exact)
    if isinstance(lowered, NotFast):
        return step  # `explain` names the model inside
    both = one_after_the_other(step, lowered)
    if isinstance(both, NotFast):
        return step
    return Lowered(
        {**both.methods, "transform": step.methods["transform"]},
        by=both.by,
        names=(component.path, *lowered.names),
        n_features=step.n_features,
        n_columns=step.n_columns,
        integers=step.integers,
        takes=step.takes,
        classes=lowered.classes,
        decides_by=lowered.decides_by,
    )
