"""Checks of numeric answers: against the target, and against the original's answers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.agreement import column_scale, gaps, relative_errors
from model_quantization.evaluation.checks import Check, CheckName, held_against, worst
from model_quantization.evaluation.labels import flip_check
from model_quantization.evaluation.mean_bounds import Differences, mean_p_value
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.ranking import rank_correlation
from model_quantization.evaluation.scores import mean_check

Matrix = NDArray[np.float64]

# In variances of the target, and in its standard deviations: what one row may add to the loss of
# R2 and of the mean absolute error before it counts as ruined.
_LARGEST_LOSS = {"r2": 0.5, "neg_mae": 0.5}


def scale_of(truth: Matrix) -> NDArray[np.float64]:
    """The scale of each column (n, outputs) of the target.

    Its standard deviation; its size, where it is constant.
    """
    deviation = truth.std(axis=0)
    return column_scale(np.where(deviation > 0, deviation, np.abs(truth).max(axis=0)))


def regression_checks(
    before: Matrix, after: Matrix, truth: Matrix, metric: str, policy: GatePolicy
) -> list[Check]:
    """The checks of numbers (n, outputs) against the target: each output by itself.

    An exact bound limits the share of ruined rows: those whose answer moves by more than
    `moved_part` of the target's spread, or whose loss exceeds the cap of the mean. With that cap,
    the bound on the mean loss is exact, too.
    """
    scale = scale_of(truth)
    unit = np.where(scale > 0, scale, 1.0)
    old, new = (before - truth) / unit, (after - truth) / unit
    losses = new**2 - old**2 if metric != "neg_mae" else np.abs(new) - np.abs(old)
    cap = _LARGEST_LOSS.get(metric, _LARGEST_LOSS["r2"])
    ruined = (np.abs(before - after) / unit > policy.moved_part) | (losses > cap)
    flips = ruined.sum(axis=0)
    j = int(flips.argmax())
    few = flip_check(CheckName.RUINED_ROWS, int(flips[j]), len(truth), policy, _output(j, scale))
    if metric not in _LARGEST_LOSS:
        return [few]
    outputs = _worst_outputs(losses, cap, policy)
    return [worst([_mean_loss(losses, j, cap, policy, scale) for j in outputs]), few]


def _worst_outputs(losses: Matrix, cap: float, policy: GatePolicy) -> list[int]:
    """The outputs with the largest mean loss and with the largest p-value.

    A bound takes many p-values; one p-value per output shows which bounds are needed.
    """
    p_values = [
        mean_p_value(Differences.of(column, cap), policy.allowed_drop) for column in losses.T
    ]
    return sorted({int(losses.mean(axis=0).argmax()), int(np.argmax(p_values))})


def _mean_loss(
    losses: Matrix, j: int, cap: float, policy: GatePolicy, scale: NDArray[np.float64]
) -> Check:
    """The bound on the capped mean; the observed value is not capped."""
    check = mean_check(
        CheckName.LOSS,
        policy.allowed_drop,
        Differences.of(losses[:, j], cap),
        len(losses),
        policy,
        _output(j, scale),
    )
    observed = float(losses[:, j].mean())
    return held_against(
        check.name,
        check.limit,
        max(check.value, observed),
        observed=observed,
        where=check.where,
        rows_needed=check.rows_needed,
    )


def _output(j: int, scale: NDArray[np.float64]) -> str:
    return f"output {j}" if len(scale) > 1 else ""


def ruined_rows_check(before: Any, after: Any, where: str, policy: GatePolicy) -> Check:
    """The exact bound on the share of rows whose answer is far from the original's.

    Far is more than `moved_part` of the spread: of the root mean square distance of the original's
    answers from their mean, all columns together.
    """
    moved, spread = gaps(before, after)
    far = int(np.count_nonzero(moved > policy.moved_part * spread))
    return flip_check(CheckName.RUINED_ROWS, far, len(moved), policy, where)


def error_check(name: CheckName, limit: float, before: Any, after: Any, where: str) -> Check:
    """The observed relative error of the worst column."""
    errors = relative_errors(before, after)
    j = int(errors.argmax()) if errors.size else 0
    value = float(errors[j]) if errors.size else 0.0
    column = f"{where}, column {j}" if errors.size > 1 else where
    return held_against(name, limit, value, where=column)


# How much more than the mean of all classes a single one may lose of its rank correlation.
_WORST_CLASS: Final = 5.0


def correlation_check(
    before: Any, after: Any, where: str, policy: GatePolicy, *, of_classes: bool = False
) -> Check | None:
    """The rank correlation of the worst column with the original's; None where none varies.

    Parameters
    ----------
    before, after : array-like of shape (n,) or (n, columns)
    where : str
    policy : GatePolicy
    of_classes : bool
        Whether the columns are classes that compete for each row, and were ranked by the truth.
        The mean of the columns counts then: in a column of many classes nearly all rows belong to
        others, and the worst of a hundred columns is worse than the worst of three by chance alone.
        The error of each column is judged beside it; and a column that loses more than five times
        what the limit admits is no chance, and counts by itself.
    """
    old, new = (
        np.asarray(each, dtype=np.float64).reshape(len(each), -1) for each in (before, after)
    )
    found: dict[int, float] = {}
    for j in range(old.shape[1]):
        value = rank_correlation(old[:, j], new[:, j])
        if value is not None:
            found[j] = value
    limit, name = policy.min_rank_correlation, CheckName.RANK_CORRELATION
    lowest = 1.0 - _WORST_CLASS * (1.0 - limit)
    if of_classes and len(found) > 2 and min(found.values()) >= lowest:
        return held_against(name, limit, float(np.mean(list(found.values()))), where=where)
    checks = [
        held_against(
            name, limit, value, where=f"{where}, column {j}" if old.shape[1] > 1 else where
        )
        for j, value in found.items()
    ]
    return worst(checks) if checks else None
