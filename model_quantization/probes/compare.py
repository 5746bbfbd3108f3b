"""Compares two models' reactions to the same probe rows, and judges the artifact by them.

Three models are compared: the original, the estimator restored from the artifact, and the quantized
model, which answers by its fast predictor where it has one. Fast and restored answers must agree
in every artifact: bit for bit where nothing was rounded, else labels equal and numbers within
`RELATIVE_ERROR`. Restored and original answers must agree bit for bit where nothing was rounded;
otherwise in type, dtype, shape, classes and errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.evaluation.agreement import same_bits
from model_quantization.probes.reactions import ALL_ROWS, Reaction, Reactions
from model_quantization.records import Record

RELATIVE_ERROR: Final = 1e-6
"""Allowed difference of a fast answer, relative to the largest magnitude of the restored one."""
_TEXT_WIDTH: Final = re.compile(r"<U\d+")
_SPARSE: Final = ("/data", "/indices", "/indptr")


@dataclass(frozen=True, slots=True)
class ProbeReport(Record):
    """The result of asking an artifact its probe rows.

    Attributes
    ----------
    rows : int
        Probe rows; 0 when none could be made for the model.
    calls : int
        Calls that were compared: forms of the rows times methods.
    equal : int or None
        Rows on which `predict` gave the original's answer; None where there is no `predict`.
    restored : mapping of str to str
        Methods whose fast answer differs -> how. The restored estimator answers them.
    differs : str
        How the restored estimator differs from the original; empty when it does not.
    """

    rows: int = 0
    calls: int = 0
    equal: int | None = None
    restored: Mapping[str, str] = field(default_factory=dict)
    differs: str = ""

    def note(self) -> str:
        """Return the result as a clause; empty if there were no probe rows."""
        if not self.rows:
            return ""
        if self.equal is None:
            return f"asked on {self.rows} probe rows"
        return f"asked on {self.rows} probe rows: answers of predict equal on {self.equal}"


def probe_note(probes: Mapping[str, ProbeReport]) -> str:
    """Return the result of a file's models: the clause of the first, and the number of others."""
    notes = [found.note() for found in probes.values() if found.rows]
    more = f" (and {len(notes) - 1} other models)" if len(notes) > 1 else ""
    return f"{notes[0]}{more}" if notes else ""


def report(
    original: Reactions,
    restored: Reactions,
    quantized: Reactions,
    *,
    fast_methods: Sequence[str],
    exact: bool,
) -> ProbeReport:
    """Return the report on an artifact whose reactions are given.

    Parameters
    ----------
    original, restored, quantized : Reactions
        Of the same calls.
    fast_methods : sequence of str
        Methods that `quantized` answers by a fast predictor.
    exact : bool
        Nothing in the artifact was rounded.
    """
    slow: dict[str, str] = {}
    for (form, method), reaction in quantized.calls.items():
        if method in fast_methods and method not in slow:
            how = fast_difference(restored.calls[form, method], reaction, exact=exact)
            if how:
                slow[method] = f"{form}: {how}"
    answered = {
        call: restored.calls[call] if call[1] in slow else reaction
        for call, reaction in quantized.calls.items()
    }
    return ProbeReport(
        original.rows,
        len(original.calls),
        _equal_rows(original.calls.get(_PREDICT), answered.get(_PREDICT)),
        slow,
        _first_difference(original, restored, exact=exact),
    )


_PREDICT: Final = (ALL_ROWS, "predict")


def _first_difference(original: Reactions, restored: Reactions, *, exact: bool) -> str:
    if original.classes.keys() != restored.classes.keys() or not all(
        same_bits(labels, restored.classes[key]) for key, labels in original.classes.items()
    ):
        return "classes_: expected those of the original"
    compare = _bit_difference if exact else _form_difference
    for (form, method), reaction in original.calls.items():
        how = compare(reaction, restored.calls[form, method])
        if how:
            return f"{method} of {form}: {how}"
    return ""


def _bit_difference(expected: Reaction, got: Reaction) -> str:
    """The first difference of two reactions; empty if they are equal."""
    if (expected.kind, expected.form) != (got.kind, got.form):
        return f"expected {_words(expected)}, got {_words(got)}"
    for key, array in expected.arrays.items():
        if not same_bits(array, got.arrays[key]):
            return f"{_changed(array, got.arrays[key])} of {array.size} values of {key} differ"
    return ""


def _form_difference(expected: Reaction, got: Reaction) -> str:
    """The difference of two reactions in type, dtype, shape or error; values may be rounded."""
    if expected.kind != got.kind or _loose(expected) != _loose(got):
        return f"expected {_words(expected)}, got {_words(got)}"
    return ""


def fast_difference(expected: Reaction, got: Reaction, *, exact: bool) -> str:
    """The difference of a fast answer from the restored estimator's, if it is too large.

    Returns
    -------
    str
        Empty if it is not.
    """
    if exact or expected.raised:
        return _bit_difference(expected, got)
    how = _form_difference(expected, got)
    if how:
        return how
    for key, array in expected.arrays.items():
        other = got.arrays[key]
        if array.dtype.kind not in "fc":
            wrong = _changed(array, other)
        elif array.shape != other.shape:
            return f"expected shape {array.shape} of {key}, got {other.shape}"
        else:
            wrong = int((~_close(array, other)).sum())
        if wrong:
            return f"{wrong} of {array.size} values of {key} differ"
    return ""


def _close(expected: Array, got: Array) -> Array:
    finite = np.isfinite(expected)
    largest = float(np.max(np.abs(expected), initial=0.0, where=finite))
    with np.errstate(invalid="ignore"):
        near: Array = np.abs(expected - got) <= RELATIVE_ERROR * largest
    both_nan = np.isnan(expected) & np.isnan(got)
    return np.where(finite, near, (expected == got) | both_nan)


def _changed(one: Array, other: Array) -> int:
    if one.shape != other.shape:
        return max(one.size, other.size)
    differ = one != other
    if one.dtype.kind in "fc" and other.dtype.kind in "fc":
        differ &= ~(np.isnan(one) & np.isnan(other))
        return max(int(differ.sum()), 1)  # equal values may still differ in the sign of a zero
    return int(differ.sum())


def _equal_rows(original: Reaction | None, answered: Reaction | None) -> int | None:
    """Rows of `predict` that give the original's answer (numbers: within `RELATIVE_ERROR`)."""
    if original is None or answered is None or original.raised or answered.raised:
        return None
    kept: Any = np.ones(0, dtype=bool)
    for key, array in original.arrays.items():
        other = answered.arrays.get(key)
        if other is None or other.shape != array.shape or not array.ndim:
            return 0
        equal: Any = _close(array, other) if array.dtype.kind in "fc" else array == other
        rows = equal.reshape(len(array), -1).all(axis=1)
        kept = rows if not kept.size else kept & rows
    return int(kept.sum())


def _loose(reaction: Reaction) -> list[str]:
    """The form without parts that rounding may change: widths of text, entries of matrices."""
    return [
        _TEXT_WIDTH.sub("text", part)
        for part in reaction.form.split(", ")
        if not any(sparse in part for sparse in _SPARSE)
    ]


def _words(reaction: Reaction) -> str:
    return reaction.kind if reaction.raised else f"{reaction.kind} ({reaction.form})"
