"""Checks of scores against the target: the order of the rows, and the calibration.

A score may be `predict_proba` or `decision_function`. Each bound is exact for every number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.checks import Check, CheckName, held_against
from model_quantization.evaluation.labels import loss_check
from model_quantization.evaluation.mean_bounds import Differences, mean_bound, times_the_rows
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.ranking import (
    area,
    area_differences,
    reciprocal_ranks,
)
from model_quantization.evaluation.readings import as_text_like

Matrix = NDArray[np.float64]

# A share of a Brier score near zero is no useful limit. So the score counts as at least this share
# of the one that the classes' frequencies reach.
_LEAST_BRIER = 0.2


@dataclass(frozen=True, slots=True)
class ScoreBlock:
    """Scores of the classes of one output, from both models, and the column of each true class.

    Attributes
    ----------
    method, where : str
        `where` names the output as well, if there are several.
    before, after : ndarray (n, classes)
    true_column : ndarray of int (n,)
        -1 where the target is no class of the model.
    """

    method: str
    where: str
    before: Matrix
    after: Matrix
    true_column: NDArray[np.int64]


def score_blocks(
    original: Answers, candidate: Answers, method: str, target: NDArray[Any]
) -> list[ScoreBlock]:
    """The scores of `method` as one block per output; none where the columns are not classes."""
    blocks = []
    old, new = original.outputs(method), candidate.outputs(method)
    for key, scores in old.items():
        if hasattr(scores, "tocsr"):
            return []
        _, _, position = key.partition("/")
        classes = original.arrays.get(f"classes_/{position}" if position else "classes_")
        if position and target.ndim == 2:
            truth, where = target[:, int(position)], f"{method}, output {position}"
            made = _block(method, where, classes, scores, new[key], truth)
            blocks += [] if made is None else [made]
        elif target.ndim == 2 and target.shape[1] > 1:
            blocks += _one_per_column(method, scores, new[key], target)
        else:
            made = _block(method, method, classes, scores, new[key], target.reshape(len(target)))
            blocks += [] if made is None else [made]
    return blocks


def _block(
    method: str, where: str, classes: Any, before: Any, after: Any, target: NDArray[Any]
) -> ScoreBlock | None:
    if classes is None or classes.ndim != 1 or len(classes) < 2:
        return None
    both = [np.asarray(each, dtype=np.float64) for each in (before, after)]
    if before.ndim == 1 and len(classes) == 2:
        both = [np.column_stack([-each, each]) for each in both]
    if both[0].ndim != 2 or both[0].shape[1] != len(classes):
        return None
    return ScoreBlock(method, where, both[0], both[1], columns_of(target, classes))


def _one_per_column(
    method: str, before: Any, after: Any, target: NDArray[Any]
) -> Iterator[ScoreBlock]:
    """Several labels per row, each 0 or 1: column j scores label j."""
    if before.shape != target.shape or not np.isin(target, (0, 1)).all():
        return
    rest = (lambda column: 1 - column) if method == "predict_proba" else np.negative
    for j in range(target.shape[1]):
        both = [
            np.column_stack([rest(column), column]).astype(np.float64)
            for column in (before[:, j], after[:, j])
        ]
        yield ScoreBlock(
            method, f"{method}, output {j}", both[0], both[1], target[:, j].astype(np.int64)
        )


def columns_of(target: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The position of each target among the classes; -1 for a target that is no class."""
    truth, known = as_text_like(target, classes), as_text_like(classes, target)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], truth), len(known) - 1)
    column = order[place]
    return np.where(known[column] == truth, column, -1).astype(np.int64)


def score_checks(block: ScoreBlock, policy: GatePolicy) -> list[Check]:
    """The checks that apply to a block of scores."""
    known = block.true_column >= 0
    if not known.any():
        return []
    if not known.all():
        block = replace(
            block,
            before=block.before[known],
            after=block.after[known],
            true_column=block.true_column[known],
        )
    checks = []
    two = block.before.shape[1] == 2
    if not two:
        checks.append(_reciprocal_rank(block, policy))
    elif 0 < np.count_nonzero(block.true_column) < len(block.true_column):
        checks.append(_area(block, policy))
    if block.method == "predict_proba":
        checks += _proper_score(block, policy)
    return checks


def _reciprocal_rank(block: ScoreBlock, policy: GatePolicy) -> Check:
    before, after = (
        reciprocal_ranks(each, block.true_column) for each in (block.before, block.after)
    )
    return mean_check(
        CheckName.RANKING,
        policy.allowed_ranking_drop,
        Differences.of(before - after, 1.0),
        len(before),
        policy,
        block.where,
        note=f"mean reciprocal rank {before.mean():.4f} -> {after.mean():.4f}",
    )


def _area(block: ScoreBlock, policy: GatePolicy) -> Check:
    """The check of AUC; a rare class always has too few rows to tell.

    Only the rows of that class bound the loss of a new one. An artifact that ruins one in a hundred
    often ruins none of a hundred.
    """
    before, after, positive = block.before[:, 1], block.after[:, 1], block.true_column == 1
    limit, alpha = policy.allowed_ranking_drop, policy.alpha
    areas = area(before, positive), area(after, positive)
    note = f"AUC {areas[0]:.4f} -> {areas[1]:.4f}"
    loss = areas[0] - areas[1]
    fewest = int(min(positive.sum(), (~positive).sum()))
    differences = area_differences(before, after, positive, policy.seed)
    bound = mean_bound(differences, alpha)
    needed = _rows_for_a_mean(limit, alpha)
    few = f"{note}; {fewest} rows of the smaller class are too few to tell"
    return held_against(
        CheckName.RANKING,
        limit,
        bound,
        observed=loss,
        where=block.where,
        rows=fewest,
        rows_needed=-(-len(positive) * needed // fewest) if needed else None,
        note=few if needed is not None and bound > limit and fewest < needed else note,
    )


@lru_cache(maxsize=256)
def _rows_for_a_mean(limit: float, alpha: float) -> int | None:
    """Rows with which a mean is bounded within `limit` even if one row is lost."""
    if limit <= 0:
        return None
    low, high = 2, 4
    while _one_lost(high, alpha) > limit:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _one_lost(middle, alpha) <= limit else (middle + 1, high)
    return low


def _one_lost(rows: int, alpha: float) -> float:
    counts = np.array([[rows - 1.0, 1.0]])
    return mean_bound(Differences(np.array([0.0, 1.0]), counts, 1.0), alpha)


def _proper_score(block: ScoreBlock, policy: GatePolicy) -> list[Check]:
    """The check of the Brier score, and of rows that are ruined.

    Half of Brier's sum over classes (Monthly Weather Review 78, 1950, 1-3): between 0 and 1, and
    (p - y)^2 for two classes. A row whose probabilities move by no more than `moved_part` of the
    spread S of all rows loses at most d (2 sqrt(2) + d) / 2, d = moved_part S. That caps the
    differences, which makes the bound on their mean sharp. Rows beyond the cap are counted.
    """
    before, after = (_brier(each, block.true_column) for each in (block.before, block.after))
    d = policy.moved_part * spread_of(block.before)
    cap = max(d * (2 * np.sqrt(2) + d) / 2, np.finfo(np.float64).eps)
    shares = np.bincount(block.true_column, minlength=block.before.shape[1]) / len(before)
    reference = (1 - (shares**2).sum()) / 2
    # A single class has no spread and a perfect score; only rounding remains.
    unit = max(float(before.mean()), _LEAST_BRIER * reference, np.finfo(np.float64).eps)
    limit = policy.allowed_score_loss * unit
    loss = after - before
    mean = mean_check(
        CheckName.PROPER_SCORE,
        limit,
        Differences.of(loss, float(cap)),
        len(before),
        policy,
        block.where,
        note=f"Brier score {before.mean():.4g} -> {after.mean():.4g}",
    )
    ruined = loss_check(CheckName.RUINED_ROWS, loss > cap, loss < -cap, policy, block.where)
    return [mean, ruined]


def _brier(chances: Matrix, true_column: NDArray[np.int64]) -> NDArray[np.float64]:
    own = np.take_along_axis(chances, true_column[:, np.newaxis], axis=1)[:, 0]
    squares = np.einsum("ij,ij->i", chances, chances)
    return np.asarray((squares - 2 * own + 1) / 2)


def spread_of(values: Matrix) -> float:
    """The root mean square distance of rows (n, k) from their mean."""
    centred = values - values.mean(axis=0)
    return float(np.sqrt(np.einsum("ij,ij->", centred, centred) / len(values)))


def mean_check(
    name: CheckName,
    limit: float,
    differences: Differences,
    rows: int,
    policy: GatePolicy,
    where: str,
    note: str = "",
) -> Check:
    """The exact bound on the mean of capped differences, compared with its limit."""
    bound, seen = mean_bound(differences, policy.alpha), differences.mean
    return held_against(
        name,
        limit,
        bound,
        observed=seen,
        where=where,
        rows_needed=_rows_needed(differences, limit, rows, policy) if bound > limit else None,
        note=note,
    )


def _rows_needed(
    differences: Differences, limit: float, rows: int, policy: GatePolicy
) -> int | None:
    times = times_the_rows(differences, limit, policy.alpha)
    return None if times is None else int(np.ceil(times * rows))
