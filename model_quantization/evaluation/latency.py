"""Times of answers: to one row, and per row of a batch. Needs only numpy.

Models that are compared take turns in one process, so that a short slowdown of the machine affects
all of them. Processor time is measured, which other processes do not lengthen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time_ns, thread_time_ns
from typing import Any, Final, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.records import Record

BATCH_ROWS: Final = 10_000
_WARM_UP: Final = 3
_SINGLE_ROWS: Final = 64
# Above this ratio, other threads worked for a model, and the time of the process counts.
_ONE_THREAD: Final = 1.5
Call: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Latency(Record):
    """Microseconds of processor time per row, over calls.

    Attributes
    ----------
    one_row_p50_us, one_row_p99_us : float
        A call with a single row: median and 99th percentile.
    one_row_calls, batch_calls, batch_rows : int
        Number of calls, and rows per call.
    batch_p50_us, batch_p99_us : float
        A call with `batch_rows` rows, per row.
    one_row_spread_us, batch_spread_us : float
        Distance of the quartiles (25th to 75th percentile).
    """

    one_row_p50_us: float
    one_row_p99_us: float
    one_row_calls: int
    batch_p50_us: float
    batch_p99_us: float
    batch_calls: int
    batch_rows: int
    one_row_spread_us: float = 0.0
    batch_spread_us: float = 0.0


def measure_latencies(
    calls: Sequence[Call], rows: Any, *, repeats: int = 200, budget_seconds: float = 0.2
) -> tuple[Latency, ...]:
    """Return the times of several models for one row and for a batch, warm.

    The models take turns, and each round begins with another one, so that none always finds cold
    caches. The time is that of the calling thread (`time.thread_time_ns`), or of all threads of the
    process, if a model uses several.

    Parameters
    ----------
    calls : sequence of callable
        Each takes rows, such as a bound `predict`.
    rows : DataFrame, array, sparse matrix or list of str
        At least one row. Single rows are one-row slices of the same type, a different one each
        round; the batch is the first `BATCH_ROWS`.
    repeats : int
        At most so many rounds of each kind are timed.
    budget_seconds : float
        Wall time for each model and kind; at least one round is timed.

    Examples
    --------
    >>> import numpy as np
    >>> (found,) = measure_latencies([np.sum], np.ones((8, 3)), repeats=2)
    >>> found.one_row_calls, found.batch_rows
    (2, 8)
    """
    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    singles = [_slice(rows, at, at + 1) for at in range(min(count, _SINGLE_ROWS))]
    batch_rows = min(count, BATCH_ROWS)
    batch = _slice(rows, 0, batch_rows)
    seconds = budget_seconds * len(calls)
    ones = _timed(calls, singles, repeats, seconds)
    many = [times / batch_rows for times in _timed(calls, [batch], repeats, seconds)]
    return tuple(_latency(one, whole, batch_rows) for one, whole in zip(ones, many, strict=True))


def slower_by_more_than_spread(before: Latency, after: Latency) -> tuple[str, ...]:
    """Return in what the second model is slower than the first by more than both spreads.

    Returns
    -------
    tuple of str
        A clause for one row and one for a batch, as far as they apply; empty for a model that is
        not slower.

    Examples
    --------
    >>> before = Latency(10.0, 12.0, 200, 1.0, 1.2, 50, 1000, 0.5, 0.1)
    >>> after = Latency(11.0, 13.0, 200, 0.4, 0.5, 50, 1000, 0.6, 0.1)
    >>> slower_by_more_than_spread(before, after)
    ('one row takes 11 us instead of 10 (spread 0.6)',)
    """
    found = []
    for kind, words in (("one_row", "one row takes"), ("batch", "a row of a batch takes")):
        first, second = (getattr(each, f"{kind}_p50_us") for each in (before, after))
        spread = max(getattr(each, f"{kind}_spread_us") for each in (before, after))
        if second - first > spread:
            found.append(f"{words} {second:.3g} us instead of {first:.3g} (spread {spread:.2g})")
    return tuple(found)


def _latency(one: Array, many: Array, batch_rows: int) -> Latency:
    (one_p50, one_p99, one_spread), (p50, p99, spread) = _figures(one), _figures(many)
    return Latency(
        one_row_p50_us=one_p50,
        one_row_p99_us=one_p99,
        one_row_calls=len(one),
        batch_p50_us=p50,
        batch_p99_us=p99,
        batch_calls=len(many),
        batch_rows=batch_rows,
        one_row_spread_us=one_spread,
        batch_spread_us=spread,
    )


def _slice(rows: Any, start: int, stop: int) -> Any:
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def _timed(
    calls: Sequence[Call], inputs: Sequence[Any], repeats: int, seconds: float
) -> list[Array]:
    """Microseconds of each call of each model after the warm-up."""
    started = perf_counter()
    for position in range(_WARM_UP):
        for call in calls:
            call(inputs[position % len(inputs)])
        if perf_counter() - started > seconds:
            break
    own: list[list[int]] = [[] for _ in calls]
    all_threads: list[list[int]] = [[] for _ in calls]
    rounds = 0
    started = perf_counter()
    while not rounds or (rounds < repeats and perf_counter() - started < seconds):
        given = inputs[rounds % len(inputs)]
        for turn in range(len(calls)):
            which = (turn + rounds) % len(calls)
            call = calls[which]
            process, thread = process_time_ns(), thread_time_ns()
            call(given)
            own[which].append(thread_time_ns() - thread)
            all_threads[which].append(process_time_ns() - process)
        rounds += 1
    several = any(
        sum(process) > _ONE_THREAD * sum(thread)
        for thread, process in zip(own, all_threads, strict=True)
    )
    return [np.array(times) / 1e3 for times in (all_threads if several else own)]


def _figures(times: Array) -> tuple[float, float, float]:
    """Median, 99th percentile and distance of the quartiles."""
    p25, p50, p75, p99 = np.percentile(times, [25, 50, 75, 99])
    return float(p50), float(p99), float(p75 - p25)
