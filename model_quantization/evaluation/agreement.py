"""Differences between two models' answers, by method, without targets."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers

ROUNDED = 1e-6  # smaller differences, as a share of the original's spread, count as none


@dataclass(frozen=True, slots=True)
class MethodAgreement:
    """The difference between the answers of two models through one method.

    Attributes
    ----------
    method : str
    identical : bool
        Equal in every bit, NaN and signed zeros included; text compares by value.
    rows_changed : int
        Rows with any answer that differs: labels and integers at all, floats by more than
        `ROUNDED` of the spread.
    largest_difference : float
        Largest absolute difference of two floats; 0 for text and integers.
    relative_difference : float
        The same, against the standard deviation of the original's answers.
    mean_shift : float
        Mean absolute difference in the column where it is largest.
    """

    method: str
    identical: bool
    rows_changed: int
    largest_difference: float = 0.0
    relative_difference: float = 0.0
    mean_shift: float = 0.0


def compare_method(original: Answers, candidate: Answers, method: str) -> MethodAgreement:
    """How `candidate` differs from `original` through `method`; both must have equal shapes."""
    mine, theirs = original.of(method), candidate.of(method)
    identical = mine.keys() == theirs.keys() and all(
        same_bits(mine[key], theirs[key]) for key in mine
    )
    before, after = original.outputs(method), candidate.outputs(method)
    changed: NDArray[np.bool_] | None = None
    largest = relative = shift = 0.0
    for key, old in before.items():
        rows, gap, share, mean = _differences(old, after[key])
        changed = rows if changed is None else changed | rows
        largest, relative, shift = max(largest, gap), max(relative, share), max(shift, mean)
    count = 0 if changed is None else int(changed.sum())
    finite = [min(value, sys.float_info.max) for value in (largest, relative, shift)]
    return MethodAgreement(method, identical, count, *finite)


def same_bits(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two arrays have one type, one shape and the same bits; text compares by value."""
    if first.dtype.kind == second.dtype.kind == "U":
        return np.array_equal(first, second)
    return (
        first.dtype == second.dtype
        and first.shape == second.shape
        and first.tobytes() == second.tobytes()
    )


def not_finite(output: Any) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The places of NaN and those of infinities; for a sparse output, among its stored values."""
    values = np.asarray(output.data if hasattr(output, "tocsr") else output)
    if values.dtype.kind not in "fc":
        nowhere = np.zeros(values.shape, dtype=np.bool_)
        return nowhere, nowhere
    return np.isnan(values), np.isinf(values)


def relative_error(original: Any, candidate: Any) -> float:
    """Largest relative error of an output column: ||difference|| / ||column - its mean||.

    Frobenius norms, on the scale that `column_scale` gives the columns.
    """
    errors = relative_errors(original, candidate)
    return float(errors.max(initial=0.0))


def relative_errors(original: Any, candidate: Any) -> NDArray[np.float64]:
    """The relative error of each output column (k,): see `relative_error`."""
    if hasattr(original, "tocsr"):
        gap, old = abs(original - candidate), original
        missed = np.asarray(gap.multiply(gap).sum(axis=0)).ravel()
        mean = np.asarray(old.sum(axis=0)).ravel() / old.shape[0]
        spread = np.asarray(old.multiply(old).sum(axis=0)).ravel() - old.shape[0] * mean**2
    else:
        old = np.asarray(original, dtype=np.float64).reshape(len(original), -1)
        missed = (_gap(old, np.asarray(candidate, dtype=np.float64).reshape(old.shape)) ** 2).sum(0)
        known = np.where(np.isfinite(old), old, 0.0)
        spread = ((known - known.mean(axis=0)) ** 2).sum(axis=0)
    scale = column_scale(np.sqrt(np.maximum(spread, 0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(missed > 0, np.sqrt(missed) / scale, 0.0)
    return np.asarray(np.minimum(errors, sys.float_info.max))


def gaps(original: Any, candidate: Any) -> tuple[NDArray[np.float64], float]:
    """How far each row (n,) of an output moved, and the spread of the original's rows.

    Euclidean distances over the columns; the spread is the root mean square distance of the
    original's rows from their mean.
    """
    if hasattr(original, "tocsr"):
        gap = abs(original - candidate)
        moved = np.sqrt(np.asarray(gap.multiply(gap).sum(axis=1)).ravel())
        mean = np.asarray(original.mean(axis=0)).ravel()
        square = float(original.multiply(original).sum()) / original.shape[0]
        return moved, float(np.sqrt(max(square - float(mean @ mean), 0.0)))
    old = np.asarray(original, dtype=np.float64).reshape(len(original), -1)
    gap = _gap(old, np.asarray(candidate, dtype=np.float64).reshape(old.shape))
    known = np.where(np.isfinite(old), old, 0.0)
    centred = known - known.mean(axis=0)
    spread = np.sqrt((centred**2).sum() / max(len(old), 1))
    return np.sqrt((gap**2).sum(axis=1)), float(spread)


def column_scale(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """The spread of each column, to which its differences are compared.

    A column that hardly varies (less than a millionth of the most variable one: rounding noise
    behind the last component of a projection) is compared with that millionth instead.
    """
    return np.asarray(np.maximum(spread, 1e-6 * spread.max(initial=0.0)))


def _differences(old: Any, new: Any) -> tuple[NDArray[np.bool_], float, float, float]:
    """Rows changed, largest difference, the same against the spread, largest mean shift."""
    if hasattr(old, "tocsr"):
        gap = abs(old - new)
        largest = float(gap.max()) if gap.nnz else 0.0
        spread = float(np.sqrt(max(old.multiply(old).mean() - old.mean() ** 2, 0.0)))
        over = gap > ROUNDED * spread
        rows = np.asarray(np.asarray(over.sum(axis=1)).ravel() > 0)
        shift = float(np.asarray(gap.mean(axis=0)).max()) if gap.nnz else 0.0
        return rows, largest, _share(largest, spread), shift
    if old.dtype.kind not in "fc":
        unequal = np.asarray(old != new).reshape(len(old), -1)
        return np.asarray(unequal.any(axis=1)), 0.0, 0.0, 0.0
    distances = _gap(old, new).reshape(len(old), -1)
    known = np.where(np.isfinite(old), old, 0).reshape(len(old), -1)
    scale = column_scale(np.asarray(known.std(axis=0)))
    largest = float(distances.max(initial=0.0))
    rows = np.asarray((distances > ROUNDED * scale).any(axis=1))
    shift = float(distances.mean(axis=0).max(initial=0.0))
    return rows, largest, _share(largest, float(known.std())), shift


def _gap(old: NDArray[Any], new: NDArray[Any]) -> NDArray[np.float64]:
    """Absolute differences; equal infinities and NaN in the same place differ by 0."""
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    with np.errstate(invalid="ignore"):
        gap = np.abs(np.subtract(old, new, dtype=np.result_type(old, new, np.float64)))
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap)), dtype=np.float64)


def _share(largest: float, spread: float) -> float:
    if largest == 0.0:
        return 0.0
    return largest / spread if spread > 0 else sys.float_info.max
