"""Reactions of a model to probe rows: its answers as plain arrays, or the error it raises."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array, save_arrays
from model_quantization.evaluation.agreement import same_bits
from model_quantization.evaluation.answers import MODEL_ERRORS, plain_array, plain_arrays
from model_quantization.probes.forms import all_rows, other_forms
from model_quantization.probes.rows import ProbeRows

ALL_ROWS: Final = "all rows"
FEWEST_FORMS: Final = 4
FEWEST_ROWS: Final = 16
PROBED_METHODS: Final = (
    "predict",
    "predict_proba",
    "decision_function",
    "score_samples",
    "transform",
    "predict_log_proba",
    "predict_joint_log_proba",
    "apply",
    "kneighbors",
)


@dataclass(frozen=True, slots=True)
class Reaction:
    """The result of one call.

    Attributes
    ----------
    kind : str
        The type of the answer (`numpy.ndarray`), or of the error that was raised.
    form : str
        The shapes and dtypes of the answer, as text; empty for an error.
    arrays : mapping of str to ndarray
        The answer, keyed as `evaluation.answers` says; empty for an error.
    """

    kind: str
    form: str
    arrays: Mapping[str, Array]

    @property
    def raised(self) -> bool:
        """Whether the call raised."""
        return not self.form


@dataclass(frozen=True, slots=True)
class Reactions:
    """Reactions of one model, by form of the rows and method.

    Attributes
    ----------
    rows : int
        Rows of the form `all rows`.
    calls : mapping of (str, str) to Reaction
        (form, method) -> reaction. Empty if no method answered the plain rows: the model takes
        other input.
    classes : mapping of str to ndarray
        The labels behind the columns of scores, if any.
    """

    rows: int
    calls: Mapping[tuple[str, str], Reaction]
    classes: Mapping[str, Array]

    def to_files(self, directory: Path, stem: str) -> None:
        """Write `<stem>.npz` and `<stem>.json` for `from_files`."""
        arrays: list[Array] = [*self.classes.values()]
        calls = []
        for (form, method), reaction in self.calls.items():
            keys = list(reaction.arrays)
            calls.append([form, method, reaction.kind, reaction.form, keys])
            arrays += reaction.arrays.values()
        save_arrays(directory / f"{stem}.npz", *arrays)
        record = {"rows": self.rows, "classes": list(self.classes), "calls": calls}
        (directory / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def from_files(cls, directory: Path, stem: str) -> Reactions:
        """Return the reactions that `to_files` wrote."""
        record = json.loads((directory / f"{stem}.json").read_text(encoding="utf-8"))
        with np.load(directory / f"{stem}.npz", allow_pickle=False) as stored:
            arrays = iter([stored[f"arr_{place}"] for place in range(len(stored.files))])
        classes = {key: next(arrays) for key in record["classes"]}
        calls = {
            (form, method): Reaction(kind, shape, {key: next(arrays) for key in keys})
            for form, method, kind, shape, keys in record["calls"]
        }
        return cls(record["rows"], calls, classes)


def probed_methods(model: Any) -> tuple[str, ...]:
    """Return the methods of a model that answer probe rows."""
    return tuple(name for name in PROBED_METHODS if _has(model, name))


def _has(model: Any, name: str) -> bool:
    try:
        return callable(getattr(model, name, None))
    except MODEL_ERRORS:
        return False


def ask(
    model: Any, rows: ProbeRows, *, thorough: bool, repeats: bool = False
) -> tuple[ProbeRows, Reactions]:
    """Let a model answer its probe rows by every method, and in every form if `thorough`.

    Parameters
    ----------
    model : object
        The original.
    rows : ProbeRows
    thorough : bool
        All rows in all forms; otherwise the first `FEWEST_ROWS`, and the first few forms. The
        model's size decides, not a clock, so that results repeat.
    repeats : bool
        It is known to give the same answer twice; others are asked twice to see it.

    Returns
    -------
    rows : ProbeRows
        The rows that were asked: all, or the first of them.
    reactions : Reactions
        Methods that do not repeat their own answers (they draw random numbers) are left out.
    """
    methods = probed_methods(model)
    for chosen in (rows, *rows.milder()):
        few = chosen.first(FEWEST_ROWS)
        first = _ask_form(model, methods, ALL_ROWS, all_rows(few))
        if any(not reaction.raised for reaction in first.values()):
            break
    again = first if repeats else _ask_form(model, methods, ALL_ROWS, all_rows(few))
    steady = tuple(name for name in methods if same(first[ALL_ROWS, name], again[ALL_ROWS, name]))
    if thorough:
        many, calls = chosen, _ask_form(model, steady, ALL_ROWS, all_rows(chosen))
    else:
        many, calls = few, {call: first[call] for call in first if call[1] in steady}
    if all(reaction.raised for reaction in calls.values()):
        return many, Reactions(0, {}, _classes(model))
    main = steady[:2]
    for name, make in islice(other_forms(many).items(), None if thorough else FEWEST_FORMS):
        calls |= _ask_form(model, main, name, make(many))
    return many, Reactions(len(many), calls, _classes(model))


def ask_again(model: Any, rows: ProbeRows, wanted: Iterable[tuple[str, str]]) -> Reactions:
    """Let another model answer the same rows, in the same forms, by the same methods."""
    forms: dict[str, list[str]] = {}
    for form, method in wanted:
        forms.setdefault(form, []).append(method)
    calls: dict[tuple[str, str], Reaction] = {}
    for form, methods in forms.items():
        given = all_rows(rows) if form == ALL_ROWS else other_forms(rows)[form](rows)
        calls |= _ask_form(model, methods, form, given)
    return Reactions(len(rows), calls, _classes(model))


def _ask_form(
    model: Any, methods: Sequence[str], form: str, given: Any
) -> dict[tuple[str, str], Reaction]:
    return {(form, name): react(model, name, given) for name in methods}


# HashingVectorizer raises StopIteration when it gets no document.
_RAISED: Final[tuple[type[Exception], ...]] = (StopIteration, *MODEL_ERRORS)


def react(model: Any, method: str, given: Any) -> Reaction:
    """Return the result of one call, error or answer; its warnings are ignored."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.resetwarnings()  # scikit-learn gives every tree each filter there is
            warnings.simplefilter("ignore")
            answer = getattr(model, method)(given)
            arrays = plain_arrays(method, answer)
    except _RAISED as error:
        return Reaction(type(error).__name__, "", {})
    kind = type(answer)
    shapes = ", ".join(f"{key} {array.dtype} {array.shape}" for key, array in arrays.items())
    return Reaction(f"{kind.__module__}.{kind.__qualname__}", shapes or "empty", arrays)


def same(one: Reaction, other: Reaction) -> bool:
    """Whether two reactions are equal, bit for bit."""
    return (
        one.kind == other.kind
        and one.form == other.form
        and all(same_bits(array, other.arrays[key]) for key, array in one.arrays.items())
    )


def _classes(model: Any) -> dict[str, Array]:
    try:
        classes = model.classes_
    except MODEL_ERRORS:
        return {}
    each = classes if isinstance(classes, list) else [classes]
    return {f"classes_/{at}": plain_array(found) for at, found in enumerate(each)}
