"""Counts a loader's calls, their times and their failures. Off by default.

Every thread counts for itself, so that a call takes no lock and no count is lost. Reading adds the
threads up. Times go into one bucket per power of two nanoseconds.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model_quantization.locks import ForkSafeLock

# Bucket i counts times below 2**i ns. The last counts all beyond 68 s.
BUCKETS = 37
_SUM, _ERRORS = BUCKETS, BUCKETS + 1
_WIDTH = BUCKETS + 2
# At this number of threads, those that have ended are added up.
_THREADS = 64


@dataclass(frozen=True, slots=True)
class CallFigures:
    """The calls of one method.

    Attributes
    ----------
    count, errors : int
        Calls that ended, and those of them that raised.
    seconds : float
        Time of all calls together.
    buckets : tuple of int
        Calls per power of two nanoseconds, not summed up: number i took less than 2**i ns.
    """

    count: int
    errors: int
    seconds: float
    buckets: tuple[int, ...]

    def quantile_us(self, share: float) -> float:
        """Return an upper bound of the time in microseconds within which this share of calls ended.

        The true time is more than half of it, because bounds of buckets double.
        """
        wanted = share * self.count
        seen = 0
        for power, calls in enumerate(self.buckets):
            seen += calls
            if calls and seen >= wanted:
                return (1 << power) / 1e3
        return 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values; the histogram has upper bounds in seconds and calls up to there."""
        cumulative, total = [], 0
        for power, calls in enumerate(self.buckets):
            total += calls
            if calls:
                cumulative.append([(1 << power) / 1e9, total])
        return {
            "count": self.count,
            "errors": self.errors,
            "seconds": self.seconds,
            "p50_us": self.quantile_us(0.5),
            "p99_us": self.quantile_us(0.99),
            "histogram": cumulative,
        }


class _OfThread(threading.local):
    """The rows of the current thread, by method."""

    def __init__(self, metrics: CallMetrics) -> None:
        self.rows: dict[str, list[int]] = {}
        metrics._register(self.rows)


@dataclass(slots=True, eq=False)
class CallMetrics:
    """Counts the calls of one loader."""

    _lock: ForkSafeLock = field(init=False, default_factory=ForkSafeLock)
    _threads: list[tuple[weakref.ref[threading.Thread], dict[str, list[int]]]] = field(
        init=False, default_factory=list
    )
    _ended: dict[str, list[int]] = field(init=False, default_factory=dict)
    _local: _OfThread = field(init=False)

    def __post_init__(self) -> None:
        self._local = _OfThread(self)

    def record(self, method: str, nanoseconds: int, failed: bool = False) -> None:
        """Count one call that has ended."""
        rows = self._local.rows
        row = rows.get(method)
        if row is None:
            row = rows[method] = [0] * _WIDTH
        power = nanoseconds.bit_length()
        row[power if power < BUCKETS else BUCKETS - 1] += 1
        row[_SUM] += nanoseconds
        if failed:
            row[_ERRORS] += 1

    def figures(self) -> Mapping[str, CallFigures]:
        """Return the counts of all threads so far, by method."""
        with self._lock:
            total = {method: list(row) for method, row in self._ended.items()}
            for _, rows in self._threads:
                _add(total, rows)
        return {
            method: CallFigures(
                sum(row[:BUCKETS]), row[_ERRORS], row[_SUM] / 1e9, tuple(row[:BUCKETS])
            )
            for method, row in sorted(total.items())
        }

    def _register(self, rows: dict[str, list[int]]) -> None:
        with self._lock:
            if len(self._threads) >= _THREADS:
                kept = []
                for thread, of_thread in self._threads:
                    alive = thread()
                    if alive is not None and alive.is_alive():
                        kept.append((thread, of_thread))
                    else:
                        _add(self._ended, of_thread)
                self._threads[:] = kept
            self._threads.append((weakref.ref(threading.current_thread()), rows))


def _add(total: dict[str, list[int]], rows: Mapping[str, list[int]]) -> None:
    for method, row in tuple(rows.items()):
        known = total.get(method)
        total[method] = (
            list(row) if known is None else [a + b for a, b in zip(known, row, strict=True)]
        )
