"""`bit_depth: auto`: rows that choose, plans fixed beforehand, and a trial that stops."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import VotingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge

import model_quantization as mq
from model_quantization.api import quantize_model_file
from model_quantization.errors import ConfigError
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.rows.division import divide
from model_quantization.evaluation.rows.heldout import read_held_out
from model_quantization.outcome import Guarantee, Outcome, Reason, Status
from model_quantization.pipeline import evaluator
from model_quantization.pipeline.evaluator import Attempt, Evaluator
from model_quantization.pipeline.stages import ModelSettings, quantize_file, quantize_stage

X, Y = make_classification(
    4600, 200, n_informative=30, n_classes=4, class_sep=3.0, flip_y=0, random_state=0
)
TRAIN, TEST = slice(0, 400), slice(400, 4600)
AUTO = ModelSettings(bit_depth="auto", latency_seconds=0, gate=GatePolicy(min_size_reduction=-9))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auto") / "model.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression(max_iter=500).fit(X[TRAIN], Y[TRAIN])))
    return path


@pytest.fixture(scope="module")
def held_out(source: Path) -> Path:
    path = source.parent / "rows.npz"
    np.savez(path, X=X[TEST], target=Y[TEST])
    return path


@pytest.fixture(scope="module")
def outcome(source: Path, held_out: Path) -> Outcome:
    return quantize_file(source, source.parent / "first", AUTO, held_out)


def precision(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = outcome.evaluation["precision"]
    return found


def test_auto_is_smaller_than_eight_bits_and_proven(
    outcome: Outcome, source: Path, held_out: Path
) -> None:
    eight = quantize_file(source, source.parent / "eight", replace(AUTO, bit_depth="8"), held_out)
    assert outcome.status is Status.PUBLISHED and outcome.guarantee in (
        Guarantee.NON_INFERIOR,
        Guarantee.LABEL_EXACT,
    )
    assert outcome.artifact_size_bytes < eight.artifact_size_bytes
    assert outcome.evaluation["alpha"] == AUTO.gate.alpha, "no plan is judged at another level"
    assert outcome.artifact is not None
    assert mq.load(outcome.artifact).artifact.manifest["recipe"]["bit_depth"] == "auto"


def test_the_division_is_recorded_and_the_gate_sees_its_own_rows_only(
    outcome: Outcome, held_out: Path
) -> None:
    division = precision(outcome)["division"]
    divided = divide(read_held_out(held_out))
    assert division == divided.division.to_json()
    assert outcome.evaluation["rows"] == division["gate"]
    assert division["gate"] + division["selection"] + division["calibration"] == 4200
    assert precision(outcome)["rows"] == division["selection"]


def test_plans_go_from_the_safest_to_the_smallest_and_stop_at_the_first_failure(
    outcome: Outcome,
) -> None:
    plans = precision(outcome)["plans"]
    assert 2 <= len(plans) <= 12
    sizes = [plan["size_bytes"] for plan in plans]
    assert sizes == sorted(sizes, reverse=True)
    judged = [plan["judged"]["published"] for plan in plans if "judged" in plan]
    assert all(judged[:-1]) and judged[0]
    assert all("judged" in plan for plan in plans[: len(judged)])
    last = [plan for plan in plans if plan.get("judged", {}).get("published")][-1]
    assert last["judged"]["size_bytes"] == outcome.artifact_size_bytes
    assert outcome.bit_depth == last["precision"]


def test_the_same_input_gives_the_same_bytes(
    outcome: Outcome, source: Path, held_out: Path
) -> None:
    again = quantize_file(source, source.parent / "again", AUTO, held_out)
    assert again.artifact_sha256 == outcome.artifact_sha256
    assert precision(again) == precision(outcome)


def test_the_gate_rows_choose_nothing(source: Path, held_out: Path, tmp_path: Path) -> None:
    """Other answers to the gate's rows change no plan."""
    rows = read_held_out(held_out)
    gate = np.isin(rows.row_hashes, divide(rows).gate.row_hashes)
    target = np.where(gate, (Y[TEST] + 1) % 4, Y[TEST])
    np.savez(tmp_path / "other.npz", X=X[TEST], target=target)
    plans = []
    for number, path in enumerate((held_out, tmp_path / "other.npz")):
        staged = quantize_stage(source, tmp_path / str(number), AUTO, path)
        files = sorted(staged.workspace.glob("plan-*.qma"))
        plans.append([path.read_bytes() for path in files])
    assert plans[0] == plans[1] and len(plans[0]) >= 2


def test_the_first_failure_ends_the_trial(
    source: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Evaluator.decide

    def decide(self: Evaluator, file: str, *more: Any) -> Attempt:
        asked.append(file)
        found = real(self, file, *more)
        if len(asked) == 2:
            return replace(found, verdict=replace(found.verdict, publish=False, reason=Reason.GATE))
        return found

    monkeypatch.setattr(evaluator.Evaluator, "decide", decide)
    outcome = quantize_file(source, tmp_path / "staging", AUTO, held_out)
    assert asked == ["plan-00.qma", "plan-01.qma"] or (asked[0] < asked[1] and len(asked) == 2)
    assert outcome.published
    plans = precision(outcome)["plans"]
    assert [plan["judged"]["published"] for plan in plans if "judged" in plan] == [True, False]


def test_few_rows_all_judge_and_rows_from_the_model_choose(source: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", X=X[TEST][:1200], target=Y[TEST][:1200])
    outcome = quantize_file(source, tmp_path / "staging", AUTO, tmp_path / "few.npz")
    found = precision(outcome)
    assert found["division"] == {"calibration": 0, "selection": 0, "gate": 1200, "source": "none"}
    assert outcome.evaluation["rows"] == 1200 and outcome.published
    assert 0 < found["rows"] <= 64
    assert all(plan["margin"] is None for plan in found["plans"])


def test_a_calibration_file_spares_the_gate_its_rows(source: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", X=X[TEST][:1200], target=Y[TEST][:1200])
    np.savez(tmp_path / "more.npz", X=X[TEST][1100:])  # a hundred rows are in both
    result = quantize_model_file(
        source,
        tmp_path / "model.qma",
        "auto",
        held_out=tmp_path / "rows.npz",
        calibration=tmp_path / "more.npz",
        gate=AUTO.gate,
    )
    division = result["evaluation"]["precision"]["division"]
    assert division["source"] == "calibration file" and division["gate"] == 1200
    assert division["calibration"] + division["selection"] <= 3000
    assert result["status"] == "published"


def test_a_budget_takes_one_plan_within_it_or_none(
    outcome: Outcome, source: Path, held_out: Path, tmp_path: Path
) -> None:
    size = outcome.source_size_bytes
    for number, settings in enumerate(
        (replace(AUTO, max_bytes=5500), replace(AUTO, target_ratio=size / 5500))
    ):
        found = quantize_file(source, tmp_path / str(number), settings, held_out)
        assert found.published and found.artifact_size_bytes <= 5500
        plans = precision(found)["plans"]
        assert len(plans) == 1 and precision(found)["budget_bytes"] <= 5500
    tiny = quantize_file(source, tmp_path / "tiny", replace(AUTO, max_bytes=300), held_out)
    assert (tiny.status, tiny.reason) == (Status.FALLBACK, Reason.BUDGET)
    assert not tiny.published


def test_a_time_budget_cuts_options_in_units_of_work(
    source: Path, held_out: Path, tmp_path: Path
) -> None:
    short = replace(AUTO, time_budget_seconds=0.1)
    first = quantize_file(source, tmp_path / "a", short, held_out)
    second = quantize_file(source, tmp_path / "b", short, held_out)
    assert precision(first)["cut"] and precision(first) == precision(second)
    assert first.artifact_sha256 == second.artifact_sha256
    assert precision(first)["options"] < 6


@pytest.mark.parametrize(
    "setting",
    [
        {"max_bytes": 5000},
        {"target_ratio": 4.0},
        {"time_budget_seconds": 1.0},
        {"refit_rows": "rows.npz"},
    ],
)
def test_knobs_of_auto_are_refused_elsewhere(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="or `bit_depth: auto` beside it"):
        ModelSettings(bit_depth="8", **setting)


@pytest.mark.parametrize("name", ["calibration", "refit_rows"])
def test_files_that_choose_need_auto(source: Path, held_out: Path, name: str) -> None:
    more: dict[str, Any] = {name: held_out}
    with pytest.raises(ConfigError, match=f"{name}: a file of rows for a precision"):
        quantize_model_file(source, held_out=held_out, **more)


def test_an_override_keeps_its_part_as_it_says(
    source: Path, held_out: Path, tmp_path: Path
) -> None:
    settings = replace(AUTO, overrides=(("coef_", {"kind": "exact"}),))
    outcome = quantize_file(source, tmp_path / "staging", settings, held_out)
    assert precision(outcome)["sensitivities"] == []
    assert outcome.published and outcome.guarantee is Guarantee.EXACT


def test_a_part_that_needs_bits_gets_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(4500, 60))
    rows[:, 0] *= 300.0  # the weights before it decide next to everything
    target = rows[:, 0] / 300 + 0.2 * rows[:, 1:] @ random.normal(size=59)
    pair = VotingRegressor([("first", Ridge()), ("second", Ridge(alpha=1e4))])
    pair.fit(rows[:500], target[:500])
    (tmp_path / "pair.pkl").write_bytes(pickle.dumps(pair))
    np.savez(tmp_path / "rows.npz", X=rows[500:], target=target[500:])
    outcome = quantize_file(tmp_path / "pair.pkl", tmp_path / "s", AUTO, tmp_path / "rows.npz")
    assert outcome.published and outcome.guarantee is Guarantee.NON_INFERIOR
    parts = {part["component"]: part["points"] for part in precision(outcome)["sensitivities"]}
    assert set(parts) == {"estimators_/0", "estimators_/1"}
    for points in parts.values():
        by_level = {point["level"]: point["distortion"] for point in points}
        assert by_level["exact"] <= by_level["int8/channel"] < by_level["int2/channel"]


def test_a_gaussian_process_is_published(tmp_path: Path) -> None:
    """Its coefficients cancel: 8 bits ruin it, and `auto` solves them again."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(1500, 6))
    target = np.sin(rows[:, 0]) + rows[:, 1] * rows[:, 2] + random.normal(0, 0.1, 1500)
    model = GaussianProcessRegressor(RBF(2.0) + WhiteKernel(1e-2), optimizer=None).fit(
        rows[:200], target[:200]
    )
    (tmp_path / "process.pkl").write_bytes(pickle.dumps(model))
    np.savez(tmp_path / "rows.npz", X=rows[200:], target=target[200:])
    staging = tmp_path / "staging"
    eight = replace(AUTO, bit_depth="8", on_gate_failure="original")
    outcome = quantize_file(tmp_path / "process.pkl", staging, eight, tmp_path / "rows.npz")
    assert not outcome.published
    outcome = quantize_file(tmp_path / "process.pkl", staging, AUTO, tmp_path / "rows.npz")
    assert outcome.published and outcome.guarantee is Guarantee.NON_INFERIOR
    assert outcome.artifact_size_bytes * 20 < outcome.source_size_bytes
    assert any("standard deviation" in note for note in outcome.notes)
