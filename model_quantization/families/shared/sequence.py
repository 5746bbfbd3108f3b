"""Two predictors in turn: the second answers of what the first makes of the rows."""

from __future__ import annotations

from typing import Any

from model_quantization.arrays import Array
from model_quantization.families.forms import matrix_of, text_step
from model_quantization.families.lowered import Lowered, Method, NotFast, WithOptions, options_of
from model_quantization.families.shared.children import as_floats

# Methods that a pipeline passes to its last step; `apply` of trees is not among them.
_PASSED_ON = frozenset(
    {
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "score_samples",
        "transform",
    }
)


def one_after_the_other(first: Lowered, then: Lowered) -> Lowered | NotFast:
    """Both as one: the second includes the first if it can; else one after the other."""
    return (then.absorb(first) if then.absorb else None) or _in_turn(first, then)


def _in_turn(first: Lowered, then: Lowered) -> Lowered | NotFast:
    transform = matrix_of(first.form, sparse=then.sparse_as_dense)
    if transform is None and text_step(first.form) is not None:
        return NotFast(f"{then.by} cannot take in {first.by}")
    transform = transform or first.methods.get("transform")
    if transform is None:
        return NotFast(f"{first.by} has no fast `transform` for the step after it")
    if then.input != "rows":
        return NotFast(f"{then.by} takes no rows of numbers, as the step before it gives")
    if None not in (first.n_columns, then.n_features) and first.n_columns != then.n_features:
        return NotFast(f"{then.by} takes another number of columns than {first.by} gives")
    integers = then.integers

    def method(call: Method) -> Method:
        def both(rows: Any, **options: Any) -> Any:
            between = transform(rows)
            if between is None:
                return None
            check_width(between, then)
            return call(as_floats(between, integers), **options)

        known = options_of(call)
        return WithOptions(both, known) if known else both

    return Lowered(
        {name: method(call) for name, call in then.methods.items() if name in _PASSED_ON},
        by=f"{first.by}, then {then.by}",
        names=first.names + then.names,
        input=first.input,
        n_features=first.n_features,
        n_columns=then.n_columns,
        integers=first.integers,
        takes=first.takes,
        classes=then.classes,
        decides_by=then.decides_by,
        sparse_as_dense=False,
        inverse=_inverse(first, then),
    )


def check_width(rows: Array, then: Lowered) -> None:
    """Pass only for rows of as many columns as a predictor takes: native code counts on it.

    Raises
    ------
    ValueError
        Other rows, of an artifact whose parts do not fit each other.
    """
    if then.n_features is not None and rows.shape[1:] != (then.n_features,):
        raise ValueError(f"{rows.shape[1:]} columns for {then.by}, which takes {then.n_features}")


def _inverse(first: Lowered, then: Lowered) -> Method | None:
    """The inverse of both, the second first."""
    back, further = then.inverse, first.inverse
    if back is None or further is None:
        return None

    def both(rows: Array) -> Any:
        between = back(rows)
        return None if between is None else further(between)

    return both
