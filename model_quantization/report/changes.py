"""Compares two releases: the changes of each model since the release before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model_quantization.outcome import Status
from model_quantization.report.history import HistoryRow
from model_quantization.report.table import human_bytes

_LEAST_SHARE = 0.01  # a smaller change of size is not reported
_LEAST_SCORE = 5e-5


@dataclass(frozen=True, slots=True)
class ModelChange:
    """One model that the newer release changed.

    Attributes
    ----------
    name : str
    what : str
        Each change in words: verdict, size served, score served.
    """

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class ReleaseChanges:
    """The newer of two releases, against the older.

    Attributes
    ----------
    before, after : int
        Their numbers.
    models : tuple of ModelChange
        By name, new ones last.
    same : int
        Models without a change.
    """

    before: int
    after: int
    models: tuple[ModelChange, ...]
    same: int


def last_changes(history: Sequence[HistoryRow]) -> ReleaseChanges | None:
    """Return the last release against the one before it; None for a first release."""
    numbers = sorted({row.release for row in history})
    if len(numbers) < 2:
        return None
    before, after = numbers[-2:]
    old = {row.name: row for row in history if row.release == before}
    new = {row.name: row for row in history if row.release == after}
    found = []
    # Changed models come first: new ones are expected.
    for name in sorted(old.keys() | new.keys(), key=lambda name: (name not in old, name)):
        what = ", ".join(_differences(old.get(name), new.get(name)))
        if what:
            found.append(ModelChange(name, what))
    return ReleaseChanges(before, after, tuple(found), len(old.keys() | new.keys()) - len(found))


def _differences(old: HistoryRow | None, new: HistoryRow | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"new, {_verdict(new)}, {human_bytes(new.served_bytes)}"
    elif old is not None and new is None:
        yield f"gone, was {_verdict(old)}"
    elif old is not None and new is not None:
        if _verdict(old) != _verdict(new):
            yield f"{_verdict(old)} → {_verdict(new)}"
        if abs(new.served_bytes - old.served_bytes) > _LEAST_SHARE * old.served_bytes:
            yield f"{human_bytes(old.served_bytes)} → {human_bytes(new.served_bytes)} served"
        was, now = _score(old), _score(new)
        if was is not None and now is not None and abs(now - was) >= _LEAST_SCORE:
            yield f"score {was:.4f} → {now:.4f}"


def _verdict(row: HistoryRow) -> str:
    return str(row.guarantee if row.status is Status.PUBLISHED else row.status)


def _score(row: HistoryRow) -> float | None:
    """The score of what is served."""
    return row.score_after if row.published else row.score_before
