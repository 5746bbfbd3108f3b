"""Steps before a model: rows of numbers in, rows of numbers out, as scikit-learn computes them.

A step is one function of an array to an array. It makes the calls that scikit-learn makes, in its
order and on arrays of the same type and layout in memory: that is what gives the same bits. What
is linear also has a form (`Affine`, `Projection`, `Selection`), which the next step may take in
where bits are not promised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.forms import Affine, Form, Projection, Selection, text_step
from model_quantization.families.lowered import Integers, Lowered, Method, Takes, behind_text

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step

Transform: TypeAlias = Callable[[Array], Array | None]
Refuses: TypeAlias = Literal["not finite", "infinite", "nothing"]

_FEW_NUMBERS = 4096  # up to here one product finds sooner what is not finite


def number_step(
    component: Component,
    transform: Transform,
    *,
    by: str,
    n_features: int | None,
    n_columns: int | None,
    refuses: Refuses = "not finite",
    integers: Integers = "float64",
    takes: Takes = "numbers",
    form: Form | None = None,
    inverse: Method | None = None,
    of_sparse: Array | None = None,
) -> Lowered:
    """The fast predictor of a step that answers `transform`.

    Parameters
    ----------
    component : Component
    transform : callable
        The new rows, or None for rows that scikit-learn must treat. It may not change its argument.
    by : str
        How it answers, as `explain()` shows it.
    n_features, n_columns : int or None
        Columns that it takes, and gives.
    refuses : {"not finite", "infinite", "nothing"}
        The rows that scikit-learn has an error for: NaN and infinities, or infinities alone.
    integers, takes, form, inverse
        As in `Lowered`. A form makes the step one that takes in a scaler before it.
    of_sparse : ndarray of shape (n_features, n_columns), optional
        The step is the product with this matrix, and scikit-learn takes it of sparse rows as well.
    """
    usable = _USABLE[refuses]

    def call(rows: Array) -> Array | None:
        return transform(rows) if usable(rows) else None

    def absorb(previous: Lowered) -> Lowered | None:
        if of_sparse is not None and (step := text_step(previous.form)) is not None:
            return _behind_text(previous, step, of_sparse, component, by)
        folded = composed(previous.form, form)
        if folded is None:
            return None
        return _projected(folded, previous, component, by)

    return Lowered(
        {"transform": call},
        by=by,
        names=(component.path,),
        n_features=n_features,
        n_columns=n_columns,
        form=form,
        absorb=absorb if isinstance(form, Projection) else None,
        integers=integers,
        takes=takes,
        inverse=inverse,
    )


def _behind_text(
    previous: Lowered, step: Step, weights: Array, component: Component, by: str
) -> Lowered | None:
    """The step from documents on; its numbers have the bits of the sparse product."""
    from model_quantization.kernels.text.term_weights import hold_weights

    if step.n_columns != len(weights):
        return None
    score = step.scorer(hold_weights(weights))
    if score is None:
        return None
    return behind_text(
        previous,
        {"transform": score},
        by=by,
        names=(component.path,),
        n_columns=weights.shape[1],
    )


def _projected(folded: Projection, previous: Lowered, component: Component, by: str) -> Lowered:
    def transform(rows: Array) -> Array | None:
        return rows @ folded.weights + folded.bias if all_finite(rows) else None

    def absorb(earlier: Lowered) -> Lowered | None:
        once_more = composed(earlier.form, folded)
        return None if once_more is None else _projected(once_more, earlier, component, by)

    return Lowered(
        {"transform": transform},
        by=f"{previous.by} and {by} in one product",
        names=(*previous.names, component.path),
        n_features=folded.weights.shape[0],
        n_columns=folded.weights.shape[1],
        form=folded,
        absorb=absorb,
        takes=previous.takes,
    )


def composed(first: Form | None, then: Form | None) -> Projection | None:
    """Both linear steps as one; None where one of them is not linear, or bits are promised."""
    if not isinstance(then, Projection) or then.exact:
        return None
    if isinstance(first, Affine):
        weights = first.scale[:, np.newaxis] * then.weights
        return Projection(weights, first.shift @ then.weights + then.bias)
    if isinstance(first, Selection):
        return Projection(first.scattered(then.weights), then.bias)
    if isinstance(first, Projection) and not first.exact:
        return Projection(first.weights @ then.weights, first.bias @ then.weights + then.bias)
    return None


def side_by_side(forms: Sequence[Form | None], width: int) -> Projection | None:
    """The columns of several linear steps of the same rows; None where one is not linear."""
    parts = []
    for form in forms:
        if isinstance(form, Affine):
            parts.append(Projection(np.diag(form.scale), form.shift))
        elif isinstance(form, Selection):
            chosen = int(form.chosen.sum())
            parts.append(Projection(form.scattered(np.eye(chosen)), np.zeros(chosen)))
        elif isinstance(form, Projection) and not form.exact:
            parts.append(form)
        else:
            return None
    if not parts or any(len(part.weights) != width for part in parts):
        return None
    weights = np.hstack([part.weights for part in parts])
    return Projection(weights, np.concatenate([part.bias for part in parts]))


def all_finite(rows: Array) -> bool:
    """Whether no number is NaN or infinite; large numbers of few may be taken for infinite."""
    if rows.dtype.kind != "f":
        return True
    if rows.size <= _FEW_NUMBERS:
        # Unlike other sums, this one neither raises nor warns of an infinity.
        return isfinite(np.vdot(rows, rows))
    return bool(np.isfinite(rows).all())


def no_infinity(rows: Array) -> bool:
    """Whether no number is infinite."""
    if rows.dtype.kind != "f" or (rows.size <= _FEW_NUMBERS and isfinite(np.vdot(rows, rows))):
        return True
    return not np.isinf(rows).any()


_USABLE: dict[str, Callable[[Array], bool]] = {
    "not finite": all_finite,
    "infinite": no_infinity,
    "nothing": lambda rows: True,
}


def projection(weights: Array, bias: Any, exact: bool) -> Projection:
    """The form of `rows @ weights + bias`, (n_features, n_columns) and (n_columns,)."""
    flat = np.broadcast_to(np.asarray(bias, dtype=np.float64), weights.shape[1:])
    return Projection(weights, flat, exact)


def gives_frames(component: Component) -> bool:
    """Whether `set_output` asked for something else than what the class gives by default."""
    config = component.get("_sklearn_output_config")
    return config is not None and config != {"transform": "default"}


def width_of(component: Component) -> int | None:
    """The number of columns that a component was fitted on; None if it does not say."""
    width = component.get("n_features_in_")
    return width if type(width) is int else None
