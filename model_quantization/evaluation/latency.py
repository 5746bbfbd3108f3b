"""How long a model takes to answer: one row alone, and a row among many. Needs only numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from model_quantization.records import Record

BATCH_ROWS = 10_000
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Latency(Record):
    """Microseconds per row, as medians (p50) and 99th percentiles (p99) over calls.

    Attributes
    ----------
    one_row_p50_us, one_row_p99_us : float
        A call with a single row.
    batch_p50_us, batch_p99_us : float
        A call with `batch_rows` rows, divided by them.
    one_row_calls, batch_calls, batch_rows : int
        What was measured.
    """

    one_row_p50_us: float
    one_row_p99_us: float
    one_row_calls: int
    batch_p50_us: float
    batch_p99_us: float
    batch_calls: int
    batch_rows: int


def measure_latency(
    call: Callable[[Any], Any], rows: Any, *, repeats: int = 200, budget_seconds: float = 0.2
) -> Latency:
    """How long `call` takes on one row and on a batch, warm.

    Parameters
    ----------
    call : callable
        Takes rows, such as a bound `predict`.
    rows : DataFrame, array, sparse matrix or list of str
        At least one row. Single rows are one-row slices of the same type, a different one each
        call; the batch is the first `BATCH_ROWS`.
    repeats : int
        At most so many calls of each kind are timed.
    budget_seconds : float
        Each kind stops after so long; at least one call is timed.
    """
    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    singles = [_slice(rows, i, i + 1) for i in range(min(count, 64))]
    batch_rows = min(count, BATCH_ROWS)
    batch = _slice(rows, 0, batch_rows)
    one = _timed(call, singles, repeats, budget_seconds)
    many = _timed(call, [batch], repeats, budget_seconds) / batch_rows
    return Latency(
        *_percentiles(one),
        one_row_calls=len(one),
        batch_p50_us=_percentiles(many)[0],
        batch_p99_us=_percentiles(many)[1],
        batch_calls=len(many),
        batch_rows=batch_rows,
    )


def _slice(rows: Any, start: int, stop: int) -> Any:
    return rows.iloc[start:stop] if hasattr(rows, "iloc") else rows[start:stop]


def _timed(
    call: Callable[[Any], Any], inputs: list[Any], repeats: int, budget_seconds: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Microseconds of each call after the warm-up, which also ends when the budget does."""
    started = perf_counter()
    for position in range(_WARM_UP):
        call(inputs[position % len(inputs)])
        if perf_counter() - started > budget_seconds:
            break
    times: list[float] = []
    started = perf_counter()
    while not times or (len(times) < repeats and perf_counter() - started < budget_seconds):
        given = inputs[len(times) % len(inputs)]
        before = perf_counter()
        call(given)
        times.append((perf_counter() - before) * 1e6)
    return np.array(times)


def _percentiles(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    p50, p99 = np.percentile(times, [50, 99])
    return float(p50), float(p99)
