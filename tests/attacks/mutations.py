"""State of fitted estimators, changed as somebody would who wants native code to follow it.

The changed graph goes through the checks that an artifact's goes through, and what is made of it is
asked, in a process of its own, because without a check the interpreter may crash.
"""

from __future__ import annotations

import copy
import os
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from model_quantization.arrays import Array
from model_quantization.errors import QuantizationError
from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.graph.json_form import node_from_json, node_to_json
from model_quantization.graph.nodes import ModelGraph
from model_quantization.limits import Limits
from model_quantization.trust import TrustPolicy

TRUST = TrustPolicy()
LIMITS = Limits()
SECONDS = 2
MEMORY_BYTES = 8 << 30  # of addresses; what merely asks for more gets its MemoryError
PLACES = 3  # elements of an array that are changed
_ASKED = ("predict", "predict_proba", "decision_function", "transform", "score_samples", "apply",
          "kneighbors", "inverse_transform")  # fmt: skip
_WILD = (-1, -5, 1 << 30, -(1 << 31), (1 << 62))

Mutation = tuple[str, Callable[[], ModelGraph]]


def mutations(model: Any) -> Iterator[Mutation]:
    """What is changed, and a function that gives the changed graph."""
    graph = capture(model, TRUST)
    for index, array in enumerate(graph.arrays):
        for what, change in of_array(array):
            yield (
                f"array {index} {array.dtype.str[:20]} {array.shape}: {what}",
                changed_array(graph, index, change),
            )
    record = node_to_json(graph.root)
    for way in whole_numbers(record):
        for value in (*_WILD, 0, 7):
            yield f"number at {way[-6:]}: {value}", changed_number(graph, record, way, value)


def changed_array(graph: ModelGraph, index: int, change: Callable[[Array], Array]) -> Any:
    """A function that gives the graph with one array changed."""

    def make() -> ModelGraph:
        made = change(graph.arrays[index].copy())
        return replace(graph, arrays=(*graph.arrays[:index], made, *graph.arrays[index + 1 :]))

    return make


def changed_number(graph: ModelGraph, record: Any, way: tuple[int, ...], value: int) -> Any:
    """A function that gives the graph with one number of its record changed."""

    def make() -> ModelGraph:
        changed = copy.deepcopy(record)
        node = changed
        for step in way[:-1]:
            node = node[step]
        node[way[-1]] = value
        root = node_from_json(changed, n_arrays=len(graph.arrays), limits=LIMITS)
        return replace(graph, root=root)

    return make


def of_array(array: Array) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """How an array is changed: other lengths, types and values."""
    for axis in range(array.ndim):
        if array.shape[axis] > 1:
            yield f"one of axis {axis}", lambda a, axis=axis: a.take([0], axis=axis)
            yield f"cut on axis {axis}", lambda a, axis=axis: np.delete(a, -1, axis=axis)
            yield f"twice on axis {axis}", lambda a, axis=axis: np.concatenate([a, a], axis=axis)
    yield "nothing left", lambda a: a.reshape(-1)[:0]
    if array.dtype.kind in "iu" and array.itemsize in (4, 8):
        other = {4: "<i8", 8: "<i4"}[array.itemsize]
        yield f"as {other}", lambda a: a.astype(other)
        yield "as unsigned", lambda a: a.astype(f"<u{a.itemsize}")
        # Steps that wrap around: rises without end for whoever subtracts.
        yield "wrapping", _wrapping
    if not array.size:
        return
    places = sorted({0, array.size // 2, array.size - 1})[:PLACES]
    fields = array.dtype.names or (None,)
    for field in fields:
        kind = (array.dtype[field] if field else array.dtype).kind
        for place in places:
            for value in _values(kind):
                yield (
                    f"{field or 'element'} {place} = {value}",
                    (lambda a, field=field, place=place, value=value: _set(a, field, place, value)),
                )


def _values(kind: str) -> tuple[Any, ...]:
    if kind in "iu":
        return _WILD
    return (np.nan, np.inf, -1e300) if kind == "f" else ()


def _set(array: Array, field: str | None, place: int, value: Any) -> Array:
    flat = array.reshape(-1)
    part = flat[field] if field else flat
    if part.dtype.kind in "iu":
        info = np.iinfo(part.dtype)
        value = min(max(value, int(info.min)), int(info.max))
    part[(place, *([0] * (part.ndim - 1)))] = value
    return flat.reshape(array.shape)


def _wrapping(array: Array) -> Array:
    info = np.iinfo(array.dtype)
    flat = array.reshape(-1)
    flat[flat.size // 2 :] = info.min
    if flat.size > 2:
        flat[flat.size // 2 - 1] = info.max
    return flat.reshape(array.shape)


def whole_numbers(node: Any, way: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where whole numbers stand that are values of the model's state, not parts of the grammar."""
    if not isinstance(node, list):
        return
    if node and node[0] in ("a", "r", "str", "num", "by", "oa", "rec", "s", "v"):
        return
    start = 2 if node and node[0] == "#" else 1
    for step, item in enumerate(node):
        if type(item) is int and step >= start:
            yield (*way, step)
        else:
            yield from whole_numbers(item, (*way, step))


def ask(graph: ModelGraph, rows: Any) -> int:
    """Make the estimator and ask it all that it answers; how many answers it gave.

    It may refuse in any way but one: -1 says that the estimator was not even made.
    """
    try:
        made = restore(graph.root, graph.arrays, TRUST, dropped=graph.dropped)
    except (QuantizationError, MemoryError, OverflowError):
        return -1
    answers = 0
    for name in _ASKED:
        try:
            answer = getattr(made, name)(rows)
            if issparse(answer):  # the next step of a pipeline multiplies it
                answer @ np.ones(answer.shape[1])
        except Exception:  # noqa: BLE001  whatever an estimator says to rows is no crash
            continue
        answers += 1
    return answers


@dataclass(slots=True)
class Tally:
    """What became of the mutations of one model.

    Attributes
    ----------
    crashed : list of str
        Those that ended the process that asked.
    asked, refused, answered : int
        All that were tried; of those, not made at all; made, and answered at least once.
    """

    crashed: list[str]
    asked: int = 0
    refused: int = 0
    answered: int = 0


def crashes(model: Any, rows: Any) -> Tally:
    """What became of every mutation, above all those that ended the process that asked it.

    The model itself must be made and must answer: a check that refuses everything proves nothing.

    One that takes longer than `SECONDS` is passed over: a number of columns or neighbors that is
    merely huge is a model that needs much memory or time, which its user may have intended.
    """
    least = 1 if any(hasattr(model, name) for name in _ASKED) else 0  # some can only be fitted
    assert ask(capture(model, TRUST), rows) >= least, "the model as it is does not answer"
    found = Tally([])
    names = [name for name, _ in mutations(model)]
    start = 0
    while start < len(names):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _work(model, rows, start, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            done = stream.read()
        _, status = os.waitpid(child, 0)
        verdicts = done.translate(None, b".")
        found.asked += len(verdicts)
        found.refused += verdicts.count(b"r")
        found.answered += verdicts.count(b"a")
        at = start + done.count(b".") - 1  # a dot is written before each, a letter after
        start = at + 1
        if status == 0:
            break
        if not os.WIFSIGNALED(status):
            found.crashed.append(f"{names[at]}: exit {status >> 8}")
        elif os.WTERMSIG(status) != signal.SIGALRM:
            found.crashed.append(f"{names[at]}: {signal.Signals(os.WTERMSIG(status)).name}")
    return found


def _work(model: Any, rows: Any, start: int, writer: int) -> None:
    code = 1
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        warnings.simplefilter("ignore")
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            for number, (_, make) in enumerate(mutations(model)):
                if number < start:
                    continue
                os.write(writer, b".")
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(SECONDS)
                try:
                    graph = make()
                except QuantizationError:  # not every value fits every place
                    continue
                answers = ask(graph, rows)
                signal.alarm(0)
                os.write(writer, b"r" if answers < 0 else b"a" if answers else b"n")
        code = 0
    finally:
        os._exit(code)
