"""Answers before and after that the gate is to judge, drawn at random: what they lose is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.evaluation import GatePolicy, Judgement, judge_predictions
from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.predictions import judge_answers

ALLOWED = GatePolicy().allowed_drop
PLANS = {1: 4, 3: 8, 6: 12}  # components of a model -> plans of `auto` that the gate may judge

Generator = np.random.Generator


def labels(generator: Generator, rows: int, lost: float, won: float) -> dict[str, Any]:
    """Labels of three classes, 90 % right, of which independent shares are lost and won."""
    truth = generator.integers(0, 3, rows)
    chance = generator.random(rows)
    right = np.where(chance < lost, 1, np.where(chance > 1 - won, 0, generator.random(rows) < 0.9))
    now = np.where(chance < lost, 0, np.where(chance > 1 - won, 1, right))
    return {
        "y_true": truth,
        "before": np.where(right, truth, (truth + 1) % 3),
        "after": np.where(now, truth, (truth + 1) % 3),
    }


def judged(
    draw: Callable[..., dict[str, Any]], generator: Generator, rows: int, **more: Any
) -> Any:
    """The judgement of one draw."""
    return [judge_predictions(**draw(generator, rows, **more))]


def copied(generator: Generator, rows: int) -> list[Judgement]:
    """50 rows, 40 times each; a loss of 1 point."""
    drawn = labels(generator, rows, 0.01, 0.0)
    tiled: dict[str, Any] = {key: np.tile(value, 40) for key, value in drawn.items()}
    return [judge_predictions(**tiled, rows=np.tile(np.arange(rows), 40))]


def in_order(
    generator: Generator, rows: int, components: int, harmless: float, nested: bool
) -> list[Judgement]:
    """The plans of `auto`, judged from the safest on until one fails; the published one, if bad.

    The first part of them loses nothing, every other one exactly what is allowed. `nested`: a row
    that a plan loses is lost by every later one; otherwise each plan loses rows of its own, which
    gives luck the most chances.
    """
    plans = PLANS[components]
    published: list[Judgement] = []
    is_bad = False
    truth = generator.integers(0, 3, rows)
    right = generator.random(rows) < 0.9
    chance = generator.random(rows)
    for number in range(plans):
        bad = number >= round(harmless * plans)
        if not nested:
            chance = generator.random(rows)
        lost = chance < (ALLOWED if bad else 0.0)
        found = judge_predictions(
            truth,
            np.where(right | lost, truth, (truth + 1) % 3),
            np.where(right & ~lost, truth, (truth + 1) % 3),
        )
        if not found.published:
            break
        published, is_bad = [found], bad
    return published if is_bad else []


def numbers(generator: Generator, rows: int, ruined: float, tail: float = 0.0) -> dict[str, Any]:
    """A regression with small rounding, and a share of rows whose answer is far off."""
    truth = generator.normal(0, 1, rows) if not tail else generator.standard_t(tail, rows)
    before = truth + generator.normal(0, 0.3, rows) * (1 if not tail else np.abs(truth))
    after = before + generator.normal(0, 1e-4, rows)
    after = np.where(generator.random(rows) < ruined, after + 10 * truth.std(), after)
    return {"y_true": truth, "before": before, "after": after, "task": "regression"}


def worse_everywhere(generator: Generator, rows: int) -> dict[str, Any]:
    """A regression whose R2 falls by exactly what is allowed, a little at each row."""
    truth = generator.normal(0, 1, rows)
    before = truth + generator.normal(0, 0.3, rows)
    after = before + generator.normal(0, np.sqrt(ALLOWED), rows)
    return {"y_true": truth, "before": before, "after": after, "task": "regression"}


def one_output_ruined(generator: Generator, rows: int) -> dict[str, Any]:
    """A regression of 300 outputs, one of which is always zero after."""
    truth = generator.normal(0, 1, (rows, 300))
    before = truth + generator.normal(0, 0.3, (rows, 300))
    after = before.copy()
    after[:, 7] = 0.0
    return {"y_true": truth, "before": before, "after": after, "task": "regression"}


def class_lost(generator: Generator, rows: int) -> dict[str, Any]:
    """Ten classes, one of which has four rows; every one of those gets another label."""
    truth = np.concatenate([np.full(4, 9), generator.integers(0, 9, rows - 4)])
    before = np.where(generator.random(rows) < 0.95, truth, 0)
    before[0] = 9  # a class that is never recognised has nothing to lose
    after = np.where(truth == 9, 0, before)
    return {"y_true": truth, "before": before, "after": after}


def rare(generator: Generator, rows: int, change: str, share: float = 0.02) -> dict[str, Any]:
    """Two classes, few of the second, which is never the label given; an AUC of about 0.76."""
    truth = (generator.random(rows) < share).astype(int)
    log_odds = np.clip(-4.2 + generator.normal(0, 1, rows) + truth, None, -0.01)
    chance = 1 / (1 + np.exp(-log_odds))
    # A positive below all others loses the whole of its part of the area: 0.76 on average.
    sunk = (truth == 1) & (generator.random(rows) < GatePolicy().allowed_ranking_drop / 0.75)
    after = {
        "16 bits": chance.astype(np.float16).astype(float),
        "sunk": np.where(sunk, chance.min() / 2, chance),
        "constant": np.full(rows, chance.mean()),
        "reversed": chance.max() + chance.min() - chance,
    }[change]
    none = np.zeros(rows, dtype=int)
    return _scored(truth, none, chance, after)


def decisions(generator: Generator, rows: int, change: str) -> dict[str, Any]:
    """Decision scores of two classes."""
    truth = generator.integers(0, 2, rows)
    scores = generator.normal(0, 1, rows) + 2 * truth - 1
    after = np.sign(scores) if change == "sign" else scores.astype(np.float16).astype(float)
    return _scored(truth, (scores > 0).astype(int), scores, after)


def outliers(generator: Generator, rows: int) -> dict[str, Any]:
    """Outlier scores, shuffled among the rows that get the same label."""
    scores = generator.normal(0.2, 0.1, rows)
    truth = np.where(scores + generator.normal(0, 0.05, rows) > 0.05, 1, -1)
    given = np.where(scores > 0.05, 1, -1)
    after = scores.copy()
    for label in (-1, 1):
        mine = np.flatnonzero(given == label)
        after[mine] = scores[generator.permutation(mine)]
    return _scored(truth, given, scores, after)


def chances(generator: Generator, rows: int, classes: int, change: str) -> dict[str, Any]:
    """Probabilities of many classes, each row's true class drawn from them."""
    odds = np.exp(generator.normal(0, 2.5, (rows, classes)))
    before = odds / odds.sum(axis=1, keepdims=True)
    truth = (before.cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1)
    if change == "flat":  # the order stays
        after = 1 / classes + 1e-6 * before
    else:
        after = before.astype(np.float16).astype(float)
    after = after / after.sum(axis=1, keepdims=True)
    given = before.argmax(axis=1)
    return {
        **_scored(truth, given, before, after),
        "after": after.argmax(axis=1),
        "classes": np.arange(classes),
    }


def flipped_scores(generator: Generator, rows: int, lost: float, won: float) -> dict[str, Any]:
    """Two classes; where a label is lost or won its probability turns over."""
    truth = generator.integers(0, 2, rows)
    sure = np.clip(generator.beta(8, 2, rows), 0.5 + 1e-6, 1 - 1e-6)
    chance = generator.random(rows)
    right = np.where(chance < lost, 1, np.where(chance > 1 - won, 0, generator.random(rows) < sure))
    turned = (chance < lost) | (chance > 1 - won)
    given = np.where(right == 1, truth, 1 - truth)
    before = np.where(given == 1, sure, 1 - sure)
    after = np.where(turned, 1 - before, before)
    return {**_scored(truth, given, before, after), "after": np.where(turned, 1 - given, given)}


def one_each(generator: Generator, rows: int) -> dict[str, Any]:
    """One label won and one lost."""
    drawn = labels(generator, rows, 0.0, 0.0)
    truth, before = drawn["y_true"], drawn["before"].copy()
    after = before.copy()
    first, second = generator.permutation(rows)[:2]
    before[first], after[first] = truth[first], (truth[first] + 1) % 3
    before[second], after[second] = (truth[second] + 1) % 3, truth[second]
    return {**drawn, "before": before, "after": after}


def _scored(truth: Any, given: Any, before: Any, after: Any) -> dict[str, Any]:
    return {
        "y_true": truth,
        "before": given,
        "after": given,
        "scores_before": before,
        "scores_after": after,
    }


def transform(generator: Generator, rows: int, change: str) -> list[Judgement]:
    """The output of a transformer: zeros in its place, or rounded to 16 bits."""
    before = generator.normal(0, 1, (rows, 20))
    after = np.zeros_like(before) if change == "zeros" else before.astype(np.float16).astype(float)
    return [judge_answers(Answers({"transform": before}), Answers({"transform": after}), None)]
