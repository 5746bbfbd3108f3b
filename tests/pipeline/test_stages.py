"""One file, start to finish: what each model gets, and that what is judged is what was written."""

from __future__ import annotations

import json
import pickle
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

import model_quantization as mq
from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import ConfigError, WorkerCrashed, WorkerTimeout
from model_quantization.evaluation.latency import Latency
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.limits import Limits
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.pipeline import evaluator
from model_quantization.pipeline import latency as pipeline_latency
from model_quantization.pipeline import stages as pipeline
from model_quantization.pipeline.child.messages.latency import LatencyReply, LatencyRequest
from model_quantization.pipeline.record import Staged
from model_quantization.pipeline.stages import (
    ModelSettings,
    evaluate_stage,
    quantize_file,
    quantize_stage,
)
from model_quantization.report.table import table_rows

X, Y = make_classification(
    1300, 80, n_informative=30, n_classes=4, class_sep=3.0, flip_y=0, random_state=0
)
TRAIN, TEST = slice(0, 250), slice(250, 1300)
QUICK = ModelSettings(latency_seconds=0)
ANY_SIZE = GatePolicy(min_size_reduction=-100)


@pytest.fixture(scope="module")
def classifier() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(X[TRAIN], Y[TRAIN])


@pytest.fixture
def source(classifier: LogisticRegression, tmp_path: Path) -> Path:
    return write(classifier, tmp_path)


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    return write_rows(tmp_path, X[TEST], Y[TEST])


def write(model: Any, folder: Path, name: str = "model.pkl") -> Path:
    (folder / name).write_bytes(pickle.dumps(model))
    return folder / name


def write_rows(folder: Path, rows: Any, target: Any) -> Path:
    np.savez(folder / "rows.npz", X=rows, target=target)
    return folder / "rows.npz"


def run(source: Path, held_out: Path | None, settings: ModelSettings = QUICK) -> Outcome:
    outcome = quantize_file(source, source.parent / "staging", settings, held_out)
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json(), allow_nan=False))) == outcome
    return outcome


# What a model gets --------------------------------------------------------------------------


def test_a_model_that_passes_is_published(source: Path, held_out: Path) -> None:
    outcome = run(source, held_out, replace(QUICK, latency_seconds=0.01))
    assert (outcome.status, outcome.reason) == (Status.PUBLISHED, "")
    assert (outcome.name, outcome.bit_depth, outcome.family) == ("model", "8", "linear")
    assert outcome.artifact is not None and Path(outcome.artifact).is_absolute()
    artifact = read_artifact(Path(outcome.artifact))
    assert artifact.sha256 == outcome.artifact_sha256
    assert len(artifact.data) == outcome.artifact_size_bytes < outcome.source_size_bytes
    assert outcome.metric == "accuracy" and outcome.score_before == outcome.score_after
    assert outcome.latency_us_before and outcome.latency_us_after and outcome.seconds > 0
    assert outcome.evaluation["rows"] == artifact.manifest["evaluation"]["rows"] == 1050
    assert {check["name"] for check in outcome.evaluation["verdict"]["checks"]} >= {
        "loss", "class_recall", "ranking", "proper_score", "ruined_rows", "rows", "size_reduction"
    }  # fmt: skip
    (answers,) = outcome.evaluation["answers"]
    fast = [each["method"] for each in answers["methods"] if each["fast"]]
    assert fast[:2] == ["predict", "predict_proba"] and answers["methods"][0]["by"]
    left = {path.name for path in (source.parent / "staging" / "model.pkl").iterdir()}
    assert not left & {"arrays.bin", "grams.npz"} and not any("snapshot" in name for name in left)


# How long it takes -----------------------------------------------------------------------------

MEASURED = replace(QUICK, latency_seconds=0.01)


def latency_of(one_row_us: float) -> Latency:
    return Latency(one_row_us, 20.0, 200, 1.0, 2.0, 50, 1000, 0.5, 0.1)


def test_original_and_artifact_are_measured_in_one_process(source: Path, held_out: Path) -> None:
    outcome = run(source, held_out, MEASURED)
    before, after = (outcome.evaluation[f"latency_{side}"] for side in ("before", "after"))
    assert before["one_row_calls"] == after["one_row_calls"] > 0  # in turns
    assert before["batch_rows"] == after["batch_rows"] == 1050
    assert before["one_row_spread_us"] >= 0
    assert (outcome.latency_us_before, outcome.latency_us_after) == (
        before["one_row_p50_us"],
        after["one_row_p50_us"],
    )
    assert not (source.parent / "staging" / "model.pkl" / "snapshot").exists()


def test_a_model_that_answers_slower_than_the_original_says_so(
    source: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = LatencyReply(latency_of(10.0), latency_of(10.5))
    monkeypatch.setattr(pipeline_latency, "ask_latency", lambda request: reply)
    outcome = run(source, held_out, MEASURED)
    assert "slower" not in outcome.note
    assert outcome.evaluation["slower"] is False
    reply = LatencyReply(latency_of(10.0), latency_of(11.0))
    outcome = run(source, held_out, MEASURED)
    assert outcome.published
    assert outcome.note.endswith(
        "answers slower than the original: one row takes 11 us instead of 10 (spread 0.5)"
    )
    assert outcome.evaluation["slower"] is True
    assert outcome.note in table_rows([outcome])[0]["note"]


def test_latency_that_cannot_be_measured_keeps_nothing_back(
    source: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pipeline_latency.ask_latency

    def changed(request: LatencyRequest) -> LatencyReply:  # a copy that was not scanned
        with request.original.snapshot.open("ab") as file:
            file.write(b"\0")
        return asked(request)

    monkeypatch.setattr(pipeline_latency, "ask_latency", changed)
    outcome = run(source, held_out, MEASURED)
    assert outcome.published
    assert "latency was not measured: " in outcome.note
    assert "the copy of the original is not the one that was scanned" in outcome.note
    assert outcome.evaluation["latency_before"] is outcome.latency_us_after is None


def test_latency_is_not_measured_where_it_is_not_asked_for(
    source: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_latency, "ask_latency", lambda request: pytest.fail("was asked"))
    assert run(source, held_out, QUICK).latency_us_before is None
    assert run(source, None, MEASURED).latency_us_before is None


def test_a_large_artifact_carries_rows_for_its_self_test(tmp_path: Path) -> None:
    forest = RandomForestClassifier(30, random_state=0).fit(X[:, :3], Y)
    settings = replace(QUICK, bit_depth="exact")
    outcome = run(write(forest, tmp_path), write_rows(tmp_path, X[:, :3], Y), settings)
    assert outcome.artifact is not None
    assert mq.load(outcome.artifact).self_test() is True


def test_the_same_input_gives_the_same_bytes(source: Path, held_out: Path) -> None:
    assert run(source, held_out).artifact_sha256 == run(source, held_out).artifact_sha256


def ruined_by_8_bits(classifier: LogisticRegression, folder: Path) -> tuple[Path, Path]:
    """(model, held-out rows): its largest weights are of a feature that never changes.

    With 8 bits, all other weights become zero beside them.
    """
    model = deepcopy(classifier)
    model.coef_[:, 0] = 1e6
    rows = X[TEST].copy()
    rows[:, 0] = 0.0
    return write(model, folder), write_rows(folder, rows, Y[TEST])


def test_a_failed_gate_keeps_the_original_and_the_figures(
    classifier: LogisticRegression, tmp_path: Path
) -> None:
    settings = replace(QUICK, on_gate_failure="original")
    outcome = run(*ruined_by_8_bits(classifier, tmp_path), settings)
    assert (outcome.status, outcome.guarantee) == (Status.FALLBACK, Guarantee.FALLBACK)
    assert outcome.reason == "gate" and outcome.artifact is None and not outcome.published
    assert outcome.score_before is not None and outcome.score_after is not None
    assert outcome.score_change == pytest.approx(outcome.score_after - outcome.score_before)
    assert outcome.score_change < -0.5
    assert outcome.artifact_size_bytes > 0 and outcome.components
    loss = {c["name"]: c for c in outcome.evaluation["verdict"]["checks"]}["loss"]
    assert loss["value"] > loss["limit"] == 0.005 and not loss["passed"]


def test_the_lossless_artifact_stands_in_where_that_is_asked(
    classifier: LogisticRegression, tmp_path: Path
) -> None:
    source, held_out = ruined_by_8_bits(classifier, tmp_path)
    settings = replace(QUICK, on_gate_failure="exact", gate=ANY_SIZE)
    outcome = run(source, held_out, settings)
    assert (outcome.status, outcome.guarantee) == (Status.PUBLISHED, Guarantee.EXACT)
    assert outcome.bit_depth == "exact" and outcome.artifact is not None
    assert {line["scheme"] for line in outcome.components} == {"exact"}
    # Where that gains nothing, the record is of the attempt that was asked for.
    outcome = run(source, held_out, replace(settings, gate=GatePolicy(min_size_reduction=0.6)))
    assert (outcome.status, outcome.reason, outcome.bit_depth) == (Status.FALLBACK, "gate", "8")


def _unequal_pair() -> VotingRegressor:
    """Two regressors: "calm" bears 8 bits, "wild" has weights that nearly cancel."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1300, 80))
    rows[:, 1] = rows[:, 0]
    target = rows[:, 2:] @ rng.uniform(0.5, 1.5, 78)
    pair = VotingRegressor([("calm", Ridge()), ("wild", Ridge())]).fit(rows[TRAIN], target[TRAIN])
    wild = pair.estimators_[1]
    wild.coef_[0] += 1000.0
    wild.coef_[1] -= 1000.0
    pair.rows, pair.target = rows[TEST], target[TEST]
    return pair


def test_auto_publishes_what_eight_bits_ruin(tmp_path: Path) -> None:
    pair = _unequal_pair()
    held_out = write_rows(tmp_path, pair.rows, pair.target)
    del pair.rows, pair.target
    gate = GatePolicy(min_size_reduction=-1)
    eight = run(write(pair, tmp_path), held_out, replace(QUICK, gate=gate))
    assert (eight.status, eight.guarantee) == (Status.PUBLISHED, Guarantee.EXACT)
    assert eight.evaluation["before"]["verdict"]["reason"] == "gate"
    assert "exact in place of 8 bits: " in eight.note
    auto = run(write(pair, tmp_path), held_out, replace(QUICK, bit_depth="auto", gate=gate))
    assert auto.status is Status.PUBLISHED and auto.guarantee is Guarantee.NON_INFERIOR
    assert auto.artifact_size_bytes < eight.artifact_size_bytes


def test_each_artifact_of_auto_is_judged_at_the_whole_error(source: Path, held_out: Path) -> None:
    """The order is fixed beforehand and the first failure ends it, so nothing is divided."""
    gate = GatePolicy(alpha=0.06)
    one = run(source, held_out, replace(QUICK, gate=gate))
    auto = run(source, held_out, replace(QUICK, bit_depth="auto", gate=gate))
    assert one.evaluation["alpha"] == auto.evaluation["alpha"] == 0.06


def test_auto_ends_with_the_lossless_artifact(source: Path, held_out: Path) -> None:
    gate = GatePolicy(require="exact", min_size_reduction=-1)
    outcome = run(source, held_out, replace(QUICK, bit_depth="auto", gate=gate))
    assert (outcome.status, outcome.guarantee) == (Status.PUBLISHED, Guarantee.EXACT)
    assert outcome.bit_depth == "exact"
    # Exact means that nothing was pruned either, whatever the threshold.
    pruning = replace(QUICK, bit_depth="auto", gate=gate, weight_threshold=0.05)
    outcome = run(source, held_out, pruning)
    assert outcome.artifact is not None and outcome.guarantee is Guarantee.EXACT
    original = pickle.loads(source.read_bytes())
    np.testing.assert_array_equal(mq.load(outcome.artifact).restore().coef_, original.coef_)


def test_auto_gives_up_where_nothing_passes(source: Path, tmp_path: Path) -> None:
    few = write_rows(tmp_path, X[:12], Y[:12])
    outcome = run(source, few, replace(QUICK, bit_depth="auto", gate=GatePolicy(min_rows=30)))
    assert outcome.status in (Status.FALLBACK, Status.NO_GAIN, Status.PUBLISHED)
    if outcome.status is Status.PUBLISHED:
        assert outcome.guarantee is Guarantee.EXACT


def test_a_model_without_held_out_rows_is_unverified(source: Path) -> None:
    outcome = run(source, None)
    assert (outcome.status, outcome.guarantee) == (Status.UNVERIFIED, Guarantee.UNVERIFIED)
    assert (outcome.reason, outcome.artifact) == ("unverified", None)
    assert "add a held-out file with the model's name (`<model>.parquet`, .csv" in outcome.note
    published = run(source, None, replace(QUICK, gate=GatePolicy(publish_unverified=True)))
    assert published.published
    assert published.note.startswith("published without proof: no held-out data; asked on")


def test_a_model_that_gains_nothing_stays(tmp_path: Path) -> None:
    source = write(GaussianNB().fit(X[:, :2], Y), tmp_path, "tiny.sav")
    held_out = write_rows(tmp_path, X[:, :2], Y)
    for rows in (held_out, None):
        outcome = run(source, rows)
        assert (outcome.name, outcome.status, outcome.reason) == ("tiny", Status.NO_GAIN, "no_gain")
        assert outcome.artifact is None and "original kept" in outcome.note


def test_several_models_in_one_file_cannot_share_the_rows(held_out: Path, tmp_path: Path) -> None:
    models = [GaussianNB().fit(X, Y), LogisticRegression(max_iter=500).fit(X, Y)]
    gate = GatePolicy(publish_unverified=True, min_size_reduction=-1)
    outcome = run(write(models, tmp_path), held_out, replace(QUICK, gate=gate))
    assert outcome.status is Status.UNVERIFIED
    assert outcome.notes == [
        "the held-out rows were not used: they can only be for one model, this file has 2"
    ]
    one = {"eu/model": models[1], "scaler": StandardScaler().fit(X), 3: "text"}
    assert run(write(one, tmp_path), held_out, replace(QUICK, gate=gate)).metric == "accuracy"
    twice = [models[1], models[1]]
    assert run(write(twice, tmp_path), held_out, replace(QUICK, gate=gate)).metric == "accuracy"


def test_models_that_answer_no_rows_or_have_no_task(held_out: Path, tmp_path: Path) -> None:
    gate = GatePolicy(publish_unverified=True, min_size_reduction=-1)
    settings = replace(QUICK, gate=gate, bit_depth="exact")
    outcome = run(write(DBSCAN().fit(X), tmp_path), held_out, settings)
    assert outcome.status is Status.UNVERIFIED and "no method that answers" in outcome.note
    outcome = run(write(KernelDensity().fit(X), tmp_path), held_out, settings)
    assert (outcome.status, outcome.guarantee) == (Status.PUBLISHED, Guarantee.EXACT)


# Held-out data that cannot be used ----------------------------------------------------------


def _frame() -> pd.DataFrame:
    return pd.DataFrame(X[TEST], columns=[f"x{i}" for i in range(80)]).assign(target=Y[TEST])


BAD_ROWS: dict[str, tuple[Any, str]] = {
    "missing": (None, "cannot be opened"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "no rows": (lambda path: _frame()[:0].to_csv(path, index=False), "no rows"),
    "no target": (lambda path: _frame().drop(columns="target").to_csv(path, index=False), "target"),
    "other columns": (
        lambda path: _frame().rename(columns={"x3": "y3"}).to_csv(path, index=False), "x3"
    ),
    "missing target": (
        lambda path: _frame().assign(target=np.where(Y[TEST] == 1, np.nan, Y[TEST])).to_csv(
            path, index=False
        ),
        "target",
    ),
    "noise": (lambda path: path.write_bytes(b"\x00\xff\x00" * 40), "is UTF-16"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ROWS)
@pytest.mark.bad_input(50)
def test_held_out_files_that_cannot_be_used(kind: str, tmp_path: Path) -> None:
    make, said = BAD_ROWS[kind]
    frame = _frame().drop(columns="target")
    source = write(LogisticRegression(max_iter=900).fit(frame, Y[TEST]), tmp_path)
    path = tmp_path / "rows.csv"
    if make is not None:
        make(path)
    outcome = run(source, path)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "held_out")
    assert said in outcome.note
    assert str(path) in outcome.note and outcome.artifact is None
    assert outcome.evaluation["error"]["name"] == "HeldOutError"


@pytest.mark.bad_input(50)
def test_rows_of_labels_that_the_model_never_saw(source: Path, tmp_path: Path) -> None:
    outcome = run(source, write_rows(tmp_path, X[TEST], Y[TEST] + 2))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "held_out")
    assert "targets are no class of the model" in outcome.note
    one_class = Y[TEST] == 1
    outcome = run(source, write_rows(tmp_path, X[TEST][one_class], Y[TEST][one_class]))
    assert outcome.status in (Status.PUBLISHED, Status.FALLBACK) and outcome.metric == "accuracy"


@pytest.mark.bad_input(50)
def test_rows_that_do_not_fit_the_model(source: Path, tmp_path: Path) -> None:
    outcome = run(source, write_rows(tmp_path, X[TEST][:, :7], Y[TEST]))
    assert (outcome.status, outcome.reason) == (Status.FAILED, "prediction")
    assert "X has 7 features, but LogisticRegression is expecting 80" in outcome.note


@pytest.mark.bad_input(51)
def test_calibration_rows_are_never_gate_rows(source: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, calibration_rows=200)
    outcome = run(source, write_rows(tmp_path, X[TEST], Y[TEST]), settings)
    assert outcome.evaluation["rows"] == 850 and outcome.status is Status.PUBLISHED
    uncalibrated = run(source, tmp_path / "rows.npz")
    assert uncalibrated.artifact_sha256 != outcome.artifact_sha256
    rows, target = np.concatenate([X[TEST], X[TEST][:2]]), np.concatenate([Y[TEST], Y[TEST][:2]])
    outcome = run(source, write_rows(tmp_path, rows, target), settings)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "held_out")
    assert "2 of 852 held-out rows are also calibration rows" in outcome.note


@pytest.mark.bad_input(53, 54)
def test_a_model_that_predicts_nan_and_one_never_fitted(held_out: Path, tmp_path: Path) -> None:
    broken = Ridge().fit(X, Y)
    broken.coef_[3] = np.nan
    gate = GatePolicy(min_size_reduction=-1)
    outcome = run(write(broken, tmp_path), held_out, replace(QUICK, gate=gate))
    assert (outcome.status, outcome.reason) == (Status.FALLBACK, "original_nan")
    outcome = run(write(Ridge(), tmp_path), held_out)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "unfitted_model")
    assert outcome.note.startswith("Ridge: the estimator was never fitted")


def test_files_that_are_refused(tmp_path: Path, held_out: Path) -> None:
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for name, reason in (("evil.pkl", "hostile_file"), ("gone.pkl", "path_refused")):
        outcome = run(tmp_path / name, held_out)
        assert (outcome.status, outcome.reason) == (Status.REFUSED, reason)
        assert outcome.note and outcome.artifact is None


# Between the stages -------------------------------------------------------------------------


def test_only_a_small_record_lies_between_the_stages(source: Path, held_out: Path) -> None:
    record = quantize_stage(source, source.parent / "staging", QUICK, held_out)
    assert record.to_json().keys() == {"name", "source", "workspace"}
    assert len(json.dumps(record.to_json())) < 1000
    other = Staged.from_json(json.loads(json.dumps(record.to_json())))
    assert evaluate_stage(other).status is Status.PUBLISHED
    assert evaluate_stage(other).status is Status.PUBLISHED  # a retry finds everything there


def test_a_candidate_that_was_tampered_with_is_found_out(source: Path, held_out: Path) -> None:
    record = quantize_stage(source, source.parent / "staging", QUICK, held_out)
    candidate = record.workspace / "candidate.qma"
    good = candidate.read_bytes()
    for bad in (good[:-40], good[:-9] + bytes([good[-9] ^ 1]) + good[-8:], b""):
        candidate.write_bytes(bad)
        outcome = evaluate_stage(record)
        assert outcome.status is Status.FAILED and outcome.artifact is None
        assert outcome.reason in ("integrity", "format")
        assert outcome.source_sha256 and "candidate.qma" in outcome.note


def test_what_is_judged_is_the_file_that_is_there(
    source: Path, held_out: Path, tmp_path: Path
) -> None:
    record = quantize_stage(source, tmp_path / "staging", QUICK, held_out)
    worse = LogisticRegression(max_iter=500).fit(X[TRAIN], np.roll(Y[TRAIN], 1))
    (tmp_path / "other").mkdir()
    other = quantize_stage(write(worse, tmp_path / "other"), tmp_path / "more", QUICK, held_out)
    shutil.copy(other.workspace / "candidate.qma", record.workspace / "candidate.qma")
    outcome = evaluate_stage(record)
    assert (outcome.status, outcome.reason) == (Status.FALLBACK, "gate")
    assert outcome.score_after == pytest.approx(worse.score(X[TEST], Y[TEST]), abs=0.02)


@pytest.mark.parametrize("error", [WorkerCrashed("the child was killed"), OSError(28, "no space")])
@pytest.mark.parametrize("stage", ["ask_original", "ask_candidate"])
def test_what_may_pass_when_tried_again_is_raised(
    error: Exception, stage: str, source: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(pipeline if hasattr(pipeline, stage) else evaluator, stage, fail)
    with pytest.raises(type(error), match=r"killed|no space"):
        run(source, held_out)


def test_a_model_that_takes_too_long_is_an_outcome(
    source: Path, held_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any) -> None:
        raise WorkerTimeout("stopped at its time limit", where="child")

    monkeypatch.setattr(pipeline, "ask_original", stop)
    outcome = run(source, held_out)
    assert (outcome.status, outcome.reason) == (Status.FAILED, "worker_timeout")


# Settings -----------------------------------------------------------------------------------


def test_settings_cross_processes_as_json() -> None:
    settings = ModelSettings(
        bit_depth="auto",
        overrides=(("a/*", {"kind": "affine", "bits": 16}),),
        gate=GatePolicy(allowed_drop=0.01),
        trusted=("package.module:Name",),
        limits=Limits(depth=50),
        target=("a", "b"),
        calibration_rows=5,
    )
    again = ModelSettings.from_json(json.loads(json.dumps(settings.to_json())))
    assert again == settings and again.digest() == settings.digest()
    assert len({settings.digest(), QUICK.digest(), ModelSettings().digest()}) == 3
    assert settings.recipe().bit_depth == "auto" and settings.recipe("exact").overrides == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bit_depth", "12"),
        ("on_gate_failure", "hope"),
        ("calibration_rows", -1),
        ("latency_seconds", -0.1),
        ("weight_threshold", -1.0),
    ],
)
def test_settings_that_cannot_be_used(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{key}: .*got .*{value}"):
        ModelSettings(**{key: value})
