"""Compares both models' answers to a sample of the calls.

A call's number alone decides whether it is sampled (multiples of the golden ratio spread evenly and
follow no rhythm), so that tests are deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model_quantization.errors import ConfigError
from model_quantization.evaluation.answers import plain_array
from model_quantization.locks import ForkSafeLock

SHADOWED = frozenset({"predict", "predict_proba", "predict_log_proba", "decision_function"})
LEAST_ROWS = 100
_TOLERANCE = 0.01
_GOLDEN = 0.6180339887498949


@dataclass(slots=True)
class Shadow:
    """Decides which calls are compared, and counts the differences.

    Two answers to a row differ if their labels differ, or the classes with the highest scores.
    Numbers differ if they are further apart than 1 % of the original's largest number.

    Attributes
    ----------
    share : float
        Share of calls that are compared, above 0 and at most 1.
    limit : float
        Share of rows that may differ.
    """

    share: float
    limit: float
    calls: int = field(init=False, default=0)
    rows: int = field(init=False, default=0)
    differing: int = field(init=False, default=0)
    errors: int = field(init=False, default=0)
    last_error: str = field(init=False, default="")
    _artifact: str = field(init=False, default="")
    _seen: int = field(init=False, default=0)
    _largest: float = field(init=False, default=0.0)
    _lock: ForkSafeLock = field(init=False, default_factory=ForkSafeLock)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(
                "not a share", where="shadow", expected="above 0, at most 1", got=repr(self.share)
            )
        if not 0 <= self.limit < 1:
            raise ConfigError(
                "not a share",
                where="shadow_limit",
                expected="0 or more, below 1",
                got=repr(self.limit),
            )

    def is_next(self) -> bool:
        """Whether the current call is in the sample."""
        with self._lock:
            self._seen += 1
            return (self._seen * _GOLDEN) % 1.0 < self.share or self.share == 1

    def record(self, artifact: str, method: str, answer: Any, original: Any) -> str:
        """Return why the original must answer after this comparison; empty while the artifact may.

        Parameters
        ----------
        artifact : str
            Its sha256; another artifact starts the count again.
        method : str
            One of `SHADOWED`.
        answer, original : array-like
            The answers of both models to the same rows.
        """
        rows, differing, largest = _differences(method, answer, original, self._largest)
        with self._lock:
            if artifact != self._artifact:
                self._artifact = artifact
                self.calls = self.rows = self.differing = 0
            self._largest = largest
            self.calls += 1
            self.rows += rows
            self.differing += differing
            if self.rows < LEAST_ROWS or self.differing <= self.limit * self.rows:
                return ""
            return (
                f"in shadow, {self.differing:,} of {self.rows:,} rows were answered differently, "
                f"more than {self.limit:.3g} of them"
            )

    def skipped(self, error: str) -> None:
        """A sampled call could not be compared."""
        with self._lock:
            self.errors += 1
            self.last_error = error

    def to_json(self) -> dict[str, Any]:
        """The figures, for a loader's status."""
        with self._lock:
            return {
                "share": self.share,
                "limit": self.limit,
                "calls": self.calls,
                "rows": self.rows,
                "differing": self.differing,
                "errors": self.errors,
                "last_error": self.last_error,
            }


def _differences(method: str, answer: Any, original: Any, largest: float) -> tuple[int, int, float]:
    """(rows, rows that differ, largest number of the original's so far)."""
    if isinstance(original, list) and original and np.ndim(original[0]) == 2:  # one per output
        if not isinstance(answer, list) or len(answer) != len(original):
            return len(original[0]), len(original[0]), largest
        pairs = list(zip(answer, original, strict=True))
    else:
        pairs = [(answer, original)]
    changed: Any = None
    for mine, theirs in pairs:
        ours, old = plain_array(mine), plain_array(theirs)
        if ours.shape != old.shape or old.ndim == 0:
            rows = len(old) if old.ndim else 1
            return rows, rows, largest
        if method != "predict":
            ours, old = _spoken_for(ours), _spoken_for(old)
        if ours.dtype.kind in "fc" and old.dtype.kind in "fc":
            largest = max(largest, float(np.max(np.abs(old), initial=0.0, where=np.isfinite(old))))
            with np.errstate(invalid="ignore"):
                apart = ~(np.abs(ours - old) <= _TOLERANCE * largest)
            unequal = apart & ~(ours == old) & ~(np.isnan(ours) & np.isnan(old))
        else:
            unequal = np.asarray(ours != old)
        by_row = unequal.reshape(len(old), -1).any(axis=1)
        changed = by_row if changed is None else changed | by_row
    return len(changed), int(changed.sum()), largest


def _spoken_for(scores: Any) -> Any:
    """The class with the highest score of each row; for one score, whether it is above 0."""
    return scores > 0 if scores.ndim == 1 else scores.argmax(axis=-1)
