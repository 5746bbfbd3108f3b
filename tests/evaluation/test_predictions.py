"""The public gate: what it takes, what it refuses, and what it never publishes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import model_quantization as mq
from benchmarks.gate_cases import cases
from benchmarks.gate_draws import (
    chances,
    class_lost,
    copied,
    decisions,
    flipped_scores,
    labels,
    numbers,
    one_each,
    one_output_ruined,
    outliers,
    rare,
    transform,
)
from model_quantization.errors import ConfigError
from model_quantization.evaluation import CheckName, Finding, GatePolicy, judge_predictions
from model_quantization.evaluation.bounds import loss_bound, loss_p_value
from model_quantization.outcome import Guarantee, Status

RNG = np.random.default_rng(0)
Y = np.arange(1000) % 2


def test_it_is_one_function_under_each_documented_name() -> None:
    from ml.utils.model_quantization import judge_predictions as documented

    assert mq.judge_predictions is documented is judge_predictions


def test_nothing_changed() -> None:
    found = judge_predictions(Y, Y, Y)
    assert (found.status, found.guarantee, found.published) == (
        Status.PUBLISHED,
        Guarantee.LABEL_EXACT,
        True,
    )
    assert found.reason == "" and "no prediction changed on 1,000 rows" in found.note
    assert {check.name for check in found.checks} == {"loss", "class_recall", "rows"}
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("allowed", [0.005, 0.01, 0.02, 0.05])
def test_label_exact_takes_the_rows_that_bound_the_flips(allowed: float) -> None:
    """docs/proof.md has these numbers: 598, 299, 149 and 59 rows."""
    needed = {0.005: 598, 0.01: 299, 0.02: 149, 0.05: 59}[allowed]
    policy = GatePolicy(allowed_drop=allowed)
    same = np.zeros(needed, dtype=int)
    assert judge_predictions(same, same, same, gate=policy).guarantee is Guarantee.LABEL_EXACT
    found = judge_predictions(same[1:], same[1:], same[1:], gate=policy)
    assert (found.status, found.guarantee) == (Status.FALLBACK, Guarantee.INCONCLUSIVE)
    assert f"about {needed} rows would tell" in found.note


def test_equal_rows_count_once() -> None:
    rows = np.tile(np.arange(50), 40)
    same = rows % 2
    found = judge_predictions(same, same, same, rows=rows)
    assert found.guarantee is Guarantee.INCONCLUSIVE and found.evaluation.rows == 50
    assert found.evaluation.repeated_rows == 1950 and "50 distinct rows" in found.note
    assert judge_predictions(same, same, same).published  # nothing told it that they are equal
    assert judge_predictions(same, same, same, rows=np.arange(2000)).published


def test_of_equal_rows_the_one_that_lost_most_counts() -> None:
    """Equal rows with other targets: no order of them hides a loss."""
    rows = np.repeat(np.arange(700), 2)
    truth = np.tile([0, 1], 700)
    before, after = np.zeros(1400, dtype=int), np.zeros(1400, dtype=int)
    after[:400] = 1  # 200 rows: right for one of the two targets either way
    for order in (slice(None), slice(None, None, -1)):
        found = judge_predictions(truth[order], before[order], after[order], rows=rows[order])
        assert found.check("loss").observed == pytest.approx(200 / 700)
        assert found.reason == "gate"
    text = np.array([f"row {i}" for i in rows])
    assert judge_predictions(truth, before, before, rows=text).evaluation.rows == 700


@pytest.mark.parametrize("seed", range(5))
def test_ruins_are_never_published(seed: int) -> None:
    generator = np.random.default_rng(seed)
    ruins: dict[str, dict[str, Any]] = {
        "constant ranking": rare(generator, 1000, "constant"),
        "reversed ranking": rare(generator, 1000, "reversed"),
        "flat": chances(generator, 700, 100, "flat"),
        "sign": decisions(generator, 700, "sign"),
        "outliers": outliers(generator, 1000),
        "output": one_output_ruined(generator, 700),
        "class": class_lost(generator, 5000),
    }
    expected = {
        "constant ranking": "ranking",
        "reversed ranking": "ranking",
        "flat": "ruined_rows",
        "sign": "ranking",
        "outliers": "ranking",
        "output": "gate",
        "class": "class_recall",
    }
    for name, drawn in ruins.items():
        found = judge_predictions(**drawn)
        assert not found.published, name
        assert found.reason == expected[name], (name, found.note)
    assert "at output 7" in judge_predictions(**ruins["output"]).note
    (zeros,) = transform(generator, 700, "zeros")
    assert not zeros.published and zeros.check("transform_error").finding is Finding.LOST


def test_faithful_answers_of_16_bits_are_published() -> None:
    generator = np.random.default_rng(3)
    for drawn in (
        rare(generator, 1000, "16 bits", share=0.25),
        rare(generator, 12_000, "16 bits"),
        decisions(generator, 1000, "16 bits"),
        chances(generator, 1000, 10, "16 bits"),
        chances(generator, 1000, 100, "16 bits"),
        numbers(generator, 1000, ruined=0.0),
        one_each(generator, 1000),
    ):
        assert judge_predictions(**drawn).published
    (rounded,) = transform(generator, 1000, "16 bits")
    assert rounded.published


@pytest.mark.parametrize("rows", [30, 50, 100, 300])
def test_losses_on_few_rows_are_not_published(rows: int) -> None:
    """So few rows cannot bound anything within half a point: never, not just rarely."""
    generator = np.random.default_rng(rows)
    for _ in range(10):
        assert not judge_predictions(**labels(generator, rows, 0.01, 0.0)).published
        assert not judge_predictions(**numbers(generator, rows, ruined=0.005)).published
        assert not judge_predictions(**flipped_scores(generator, rows, 0.005, 0.0)).published
        (found,) = copied(generator, 50)
        assert not found.published


@pytest.mark.parametrize("rows", [650, 1500])
def test_losses_as_large_as_allowed_pass_rarely(rows: int) -> None:
    generator = np.random.default_rng(rows)
    for draw in (
        lambda: labels(generator, rows, 0.005, 0.0),
        lambda: labels(generator, rows, 0.015, 0.01),
        lambda: numbers(generator, rows, ruined=0.005, tail=3.0),
    ):
        passed = sum(judge_predictions(**draw()).published for _ in range(80))
        assert passed <= 0.05 * 80 + 2.5 * np.sqrt(80 * 0.05 * 0.95)


def test_a_rare_ranking_says_that_it_cannot_be_told() -> None:
    """A faithful artifact looks like one that spoils some of few positives: neither passes."""
    drawn = rare(np.random.default_rng(0), 1000, "16 bits")
    found = judge_predictions(**drawn)
    check = found.check("ranking")
    assert not found.published and found.guarantee == "inconclusive"
    assert check.finding is Finding.OPEN and check.rows < 40
    assert check.note.endswith(f"{check.rows} rows of the smaller class are too few to tell")
    assert found.note.endswith(
        "would tell; add rows, allow a larger drop, or set publish_inconclusive"
    )
    assert check.rows_needed > 20_000
    # Positives that sink below all others are seen, however few there are.
    after = drawn["scores_before"].copy()
    after[np.flatnonzero(drawn["y_true"])[:3]] = 0.0
    sunk = judge_predictions(**{**drawn, "scores_after": after})
    assert sunk.check("ranking").finding is Finding.LOST


@pytest.mark.parametrize(("share", "rows"), [(0.02, 1000), (0.02, 12_000), (0.5, 600)])
def test_a_ranking_that_lost_as_much_as_allowed_passes_rarely(share: float, rows: int) -> None:
    generator = np.random.default_rng(rows)
    drawn = (rare(generator, rows, "sunk", share) for _ in range(60))
    passed = sum(judge_predictions(**each).published for each in drawn)
    assert passed <= 0.05 * 60 + 2.5 * np.sqrt(60 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("rows", "lost", "finding"),
    [
        (200, 0, Finding.HELD),
        (94, 1, Finding.HELD),
        (93, 1, Finding.TOO_FEW),  # just short of what one lost row may leave proven
        (94, 2, Finding.OPEN),
        (20, 1, Finding.TOO_FEW),
        (20, 2, Finding.LOST),
        (4, 4, Finding.LOST),
        (4, 1, Finding.TOO_FEW),
        (1, 1, Finding.LOST),  # its last right answer
        (1, 0, Finding.TOO_FEW),
        (400, 40, Finding.LOST),
    ],
)
def test_what_is_found_of_a_class(rows: int, lost: int, finding: Finding) -> None:
    truth = np.concatenate([np.ones(rows, dtype=int), np.zeros(20_000, dtype=int)])
    after = truth.copy()
    after[:lost] = 0
    check = judge_predictions(truth, truth, after).check("class_recall")
    assert (check.finding, check.passed) == (finding, finding in (Finding.HELD, Finding.TOO_FEW))
    assert check.where == "class 1" and check.rows == rows


def test_a_class_is_not_hidden_by_the_number_of_classes() -> None:
    """Its p-value is that of the class alone, and the loss is seen among a hundred classes."""
    truth = np.concatenate([np.full(4, 99), np.arange(20_000) % 99])
    before = truth.copy()
    before[:2] = 0
    after = before.copy()
    after[2:4] = 0
    found = judge_predictions(truth, before, after)
    assert found.reason == "class_recall" and found.evaluation.worst_class is not None
    worst = found.evaluation.worst_class
    assert (worst.label, worst.rows, worst.recall_before, worst.recall_after) == ("99", 4, 0.5, 0.0)
    assert worst.p_value == loss_p_value(0, 2, 4, -0.05)


def test_outputs_are_judged_one_by_one() -> None:
    truth = RNG.integers(0, 2, (1000, 4))
    after = truth.copy()
    after[:12, 2] = 1 - after[:12, 2]
    found = judge_predictions(truth, truth, after)
    assert found.reason == "gate" and found.check("loss").where == "output 2"
    chance = np.where(truth == 1, 0.9, 0.1)
    turned = chance.copy()
    turned[:, 3] = 0.5 + 1e-9 * truth[:, 3]
    both = {"scores_before": chance, "scores_after": turned}
    found = judge_predictions(truth, truth, truth, **both)
    assert not found.published and found.check("proper_score").where == "predict_proba, output 3"
    assert judge_predictions(
        truth, truth, truth, scores_before=chance, scores_after=chance
    ).published


def test_scores_of_the_second_class() -> None:
    drawn = rare(np.random.default_rng(1), 2000, "16 bits")
    found = judge_predictions(**drawn, classes=[0, 1])
    assert found.check("ranking").where == "predict_proba"
    log_odds = {
        key: np.log(drawn[key] / (1 - drawn[key])) for key in ("scores_before", "scores_after")
    }
    assert judge_predictions(**(drawn | log_odds)).check("ranking").where == "decision_function"


def test_labels_of_text_and_their_classes() -> None:
    names = np.array(["no", "maybe", "yes"])
    codes = RNG.integers(0, 3, 1000)
    chance = np.eye(3)[codes] * 0.9 + 0.1 / 3
    truth, order = names[codes], ["no", "maybe", "yes"]
    found = judge_predictions(
        truth, truth, truth, scores_before=chance, scores_after=chance, classes=order
    )
    assert found.published and found.check("ranking").note.startswith("mean reciprocal rank 1.0")
    # In another order the columns belong to other classes, and nothing is in the right place.
    wrong = judge_predictions(truth, truth, truth, scores_before=chance, scores_after=chance)
    assert "mean reciprocal rank 0." in wrong.check("ranking").note


def test_checks_are_found_by_name() -> None:
    found = judge_predictions(Y, Y, Y)
    assert found.check(CheckName.ROWS) is found.check("rows")
    with pytest.raises(KeyError, match="no check 'ranking'; there are loss, class_recall, rows"):
        found.check("ranking")


def test_without_a_truth_the_first_models_answers_are_it() -> None:
    assert judge_predictions(None, Y, Y).guarantee is Guarantee.LABEL_EXACT
    assert judge_predictions(None, Y, 1 - Y).reason == "gate"


SCORES = np.linspace(0, 1, 1000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"after": Y[:9]}, r"after: .*expected the shape of y_true, \(1000,\), got \(9,\)"),
        ({"before": np.zeros((1000, 2))}, r"before: .*shape of y_true"),
        ({"y_true": np.zeros((0,))}, r"y_true: .*at least one row, got \(0,\)"),
        ({"y_true": np.zeros((2, 2, 2))}, r"y_true: .*\(n,\) or \(n, outputs\)"),
        ({"task": "ranking"}, "task: .*expected classification or regression, got 'ranking'"),
        ({"scores_before": SCORES}, "scores_after: .*scores of both models, or of neither"),
        ({"scores_after": SCORES}, "scores_before: .*scores of both models, or of neither"),
        ({"rows": np.arange(3)}, r"rows: .*one identifier per row, shape \(1000,\), got \(3,\)"),
        ({"task": "regression", "before": np.full(1000, "a")}, "before: .*numbers for a regr"),
        ({"after": np.where(Y, np.nan, 1.0)}, "after: .*finite numbers, got NaN .* at row 1"),
        ({"scores_before": SCORES[:, None, None], "scores_after": SCORES}, "scores_b.*shape"),
        ({"scores_before": np.eye(1000)[:, :3], "scores_after": np.eye(1000)[:, :3]},
         "scores_before: .*one column for each of 2 classes .*got 3; pass classes="),
        ({"scores_before": np.full(1000, "x"), "scores_after": SCORES}, "scores_before: .*numbers"),
        ({"scores_before": SCORES, "scores_after": SCORES[:, None] * [1, 1]},
         "scores_after: .*shape of scores_before"),
        ({"scores_before": SCORES, "scores_after": SCORES, "task": "regression"},
         "scores_before: .*no scores for a regression"),
        ({"scores_before": SCORES, "scores_after": SCORES, "classes": [1, 1]},
         "classes: .*distinct labels"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(given: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"y_true": Y, "before": Y, "after": Y} | given
    with pytest.raises(ConfigError, match=message):
        judge_predictions(**arguments)


def test_the_benchmark_has_every_kind_of_case() -> None:
    found = cases()
    assert {case.kind for case in found} == {"loss", "ruin", "power"}
    assert {30, 50, 100, 300} <= {case.rows for case in found if case.kind == "loss"}
    best = next(case.reachable for case in found if case.name == "0.1 % won, 0.1 % lost")
    assert best == pytest.approx(0.8505, abs=0.001)


PROOF = Path(__file__).parents[2] / "docs" / "proof.md"


def test_the_page_on_proof_has_the_rows_that_the_gate_needs() -> None:
    rows = re.findall(r"^\| \**([\d.]+) points?\** \| (.*) \|$", PROOF.read_text("utf-8"), re.M)
    assert len(rows) == 5
    for points, cells in rows:
        limit = float(points) / 100
        needed = [int(cell.strip(" *").replace(",", "")) for cell in cells.split("|")[:4]]
        for (b, c), count in zip([(0, 0), (1, 0), (1, 1), (2, 2)], needed, strict=True):
            assert loss_bound(b, c, count) <= limit < loss_bound(b, c, count - 1)


def test_the_example_of_the_page_on_proof_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PROOF.read_text("utf-8"), re.S)
    exec(compile(block, str(PROOF), "exec"), {})
    assert capsys.readouterr().out.startswith("published non_inferior\naccuracy 0.9500 -> 0.9500")


@pytest.mark.parametrize("worse_first", [False, True])
def test_of_equal_rows_of_numbers_the_one_that_is_ruined_counts(worse_first: bool) -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=700)
    before = truth + 0.1 * generator.normal(size=700)
    halves = [before, before + 5.0 * np.sign(before - truth)]  # the second is worse at every row
    after = np.concatenate(halves[::-1] if worse_first else halves)
    found = judge_predictions(
        np.tile(truth, 2), np.tile(before, 2), after, rows=np.tile(np.arange(700), 2),
        task="regression",
    )  # fmt: skip
    assert found.evaluation.repeated_rows == 700
    check = found.check("ruined_rows")
    assert (check.finding, check.observed) == (Finding.LOST, 1.0)
