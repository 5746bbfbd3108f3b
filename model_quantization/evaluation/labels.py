"""Checks of predicted labels: against the target, against the original's, and class by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.bounds import (
    flip_bound,
    loss_bound,
    loss_p_value,
    rows_needed_counts,
    rows_needed_with_one_lost,
)
from model_quantization.evaluation.checks import (
    Check,
    CheckName,
    Finding,
    held_against,
    within,
    worst,
)
from model_quantization.evaluation.evidence import ClassLoss
from model_quantization.evaluation.policy import GatePolicy

Right = NDArray[np.bool_]

# Cached: many outputs and classes have the same few counts.
_loss_bound = lru_cache(maxsize=4096)(loss_bound)
_loss_p_value = lru_cache(maxsize=4096)(loss_p_value)


def loss_check(
    name: CheckName, lost: NDArray[np.bool_], won: NDArray[np.bool_], policy: GatePolicy, where: str
) -> Check:
    """The exact paired bound on the share of rows `lost` minus those `won`, bool (n,) each."""
    rows, b, c = len(lost), int(lost.sum()), int(won.sum())
    needed = rows_needed_counts(b, c, rows, policy.allowed_drop, policy.alpha)
    return held_against(
        name,
        policy.allowed_drop,
        _loss_bound(b, c, rows, policy.alpha),
        observed=(b - c) / rows,
        where=where,
        rows_needed=needed,
    )


def flip_check(
    name: CheckName, flips: int, rows: int, policy: GatePolicy, where: str = ""
) -> Check:
    """The exact bound on the share of rows whose answer changes."""
    return held_against(
        name,
        policy.allowed_drop,
        flip_bound(flips, rows, policy.alpha),
        observed=flips / rows,
        where=where,
        rows_needed=rows_needed_counts(flips, 0, rows, policy.allowed_drop, policy.alpha),
    )


def label_checks(before: Right, after: Right, policy: GatePolicy) -> Check:
    """The check of accuracy, for each output.

    Parameters
    ----------
    before, after : ndarray of bool (n,) or (n, outputs)
        Whether each label is right.
    """
    if before.ndim == 1:
        return loss_check(CheckName.LOSS, before & ~after, after & ~before, policy, "")
    return worst(
        [
            loss_check(CheckName.LOSS, old & ~new, new & ~old, policy, f"output {j}")
            for j, (old, new) in enumerate(zip(before.T, after.T, strict=True))
        ]
    )


def class_check(
    before: Right, after: Right, truth: NDArray[np.generic], policy: GatePolicy
) -> tuple[Check, ClassLoss | None]:
    """The check of every class's recall, and the class that lost most surely.

    A class of many rows must be proven to lose no more than is allowed. A class of fewer rows than
    would prove that with one of them lost is "too few to tell". It passes as long as it loses at
    most one row on balance, and not its last right one.
    """
    if before.ndim == 1:
        columns = [("", before, after, truth)]
    else:
        columns = [
            (f"output {j}, ", before[:, j], after[:, j], truth[:, j])
            for j in range(before.shape[1])
        ]
    found = [
        each for where, old, new, of in columns for each in _each_class(old, new, of, policy, where)
    ]
    check = worst([each for each, _ in found])
    few = [each.where for each, _ in found if each.finding is Finding.TOO_FEW]
    loss = next(loss for each, loss in found if each is check)
    if check.finding is Finding.TOO_FEW:
        check = _with_note(check, few, rows_needed_with_one_lost(check.limit, policy.alpha))
    return check, loss if loss is not None and loss.loss > policy.allowed_class_drop else None


def _each_class(
    before: Right, after: Right, truth: NDArray[np.generic], policy: GatePolicy, where: str
) -> Iterator[tuple[Check, ClassLoss | None]]:
    known, codes = np.unique(truth, return_inverse=True)
    codes = codes.ravel()

    def count(rows: Right) -> NDArray[np.int64]:
        return np.bincount(codes[rows], minlength=len(known))

    totals = np.bincount(codes, minlength=len(known))
    b, c = count(before & ~after), count(after & ~before)
    right = count(before), count(after)
    for k, label in enumerate(known):
        lost, won, rows = int(b[k]), int(c[k]), int(totals[k])
        recalls = right[0][k] / rows, right[1][k] / rows
        yield _one_class(
            f"{where}class {label}", str(label), lost, won, rows, recalls, len(truth), policy
        )


def _one_class(
    where: str,
    label: str,
    b: int,
    c: int,
    rows: int,
    recalls: tuple[float, float],
    all_rows: int,
    policy: GatePolicy,
) -> tuple[Check, ClassLoss | None]:
    limit, alpha = policy.allowed_class_drop, policy.alpha
    bound, drop = _loss_bound(b, c, rows, alpha), (b - c) / rows
    needed = rows_needed_with_one_lost(limit, alpha)
    few = rows < needed
    if within(CheckName.CLASS_RECALL, bound, limit):
        finding = Finding.HELD
    elif drop > limit and (not few or b - c > 1 or recalls[1] == 0):
        finding = Finding.LOST
    else:
        finding = Finding.TOO_FEW if few else Finding.OPEN
    # The roles are swapped: the hypothesis is that recall fell by no more than the limit.
    p_value = 1.0 if drop <= limit else _loss_p_value(c, b, rows, -limit, alpha)
    check = Check(
        CheckName.CLASS_RECALL,
        limit,
        bound,
        finding,
        drop,
        where,
        rows,
        -(-all_rows * needed // rows) if finding is Finding.OPEN else None,
    )
    loss = (
        None
        if drop <= limit
        else ClassLoss(label, rows, float(recalls[0]), float(recalls[1]), p_value)
    )
    return check, loss


def _with_note(check: Check, few: list[str], needed: int) -> Check:
    named = ", ".join(few[:3]) + (f" and {len(few) - 3} more" if len(few) > 3 else "")
    each = "" if len(few) == 1 else " of each"
    note = f"too few rows to tell about {named}: at least {needed}{each} are needed"
    return replace(check, note=note)
