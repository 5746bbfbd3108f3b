"""The documented functions, as the documentation calls them."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import model_quantization as mq
from model_quantization.api import (
    ModelQuantizer,
    batch_quantize_models,
    compare_model_performance,
    quantize_model_file,
)
from model_quantization.errors import (
    ConfigError,
    DroppedAttribute,
    HeldOutError,
    PathRefused,
    PredictionError,
    QuantizationError,
    ScanMalformed,
    ScanRefused,
    SchemeError,
)
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.limits import Limits

RNG = np.random.default_rng(0)
X, Y = make_classification(
    900, 120, n_informative=40, n_classes=4, class_sep=3.0, flip_y=0, random_state=0
)
TRAIN, TEST = slice(0, 300), slice(300, 900)
UNPROVEN = GatePolicy(publish_unverified=True)  # rounded artifacts without held-out rows, too


@pytest.fixture(scope="module")
def classifier() -> LogisticRegression:
    return LogisticRegression(max_iter=500).fit(X[TRAIN], Y[TRAIN])


@pytest.fixture
def folder(classifier: LogisticRegression, tmp_path: Path) -> Path:
    """my_model.pkl beside my_model.npz, its held-out rows."""
    (tmp_path / "my_model.pkl").write_bytes(pickle.dumps(classifier))
    np.savez(tmp_path / "my_model.npz", X=X[TEST], target=Y[TEST])
    return tmp_path


# quantize_model_file ------------------------------------------------------------------------

DOCUMENTED = {
    "input_path", "output_path", "model_type", "bit_depth", "weight_threshold",
    "original_size_bytes", "quantized_size_bytes", "file_size_reduction_percent", "guarantee",
    "components", "status", "reason", "note", "evaluation",
}  # fmt: skip


def test_the_documented_call(folder: Path, classifier: LogisticRegression) -> None:
    source = folder / "my_model.pkl"
    before = source.read_bytes()
    results = quantize_model_file(
        input_path=str(source), bit_depth=8, weight_threshold=0.001, gate=UNPROVEN
    )
    assert f"Size reduction: {results['file_size_reduction_percent']:.2f}%".endswith("%")
    assert results.keys() >= DOCUMENTED
    assert results["input_path"] == str(source) and source.read_bytes() == before
    assert results["output_path"] == str(folder / "my_model.qma")
    assert results["model_type"] == "LogisticRegression"
    assert (results["bit_depth"], results["weight_threshold"]) == ("8", 0.001)
    assert results["original_size_bytes"] == len(before)
    assert results["quantized_size_bytes"] == (folder / "my_model.qma").stat().st_size
    assert 50 < results["file_size_reduction_percent"] < 100
    assert (results["status"], results["guarantee"]) == ("unverified", "unverified")
    assert "no held-out data" in results["note"]
    (line,) = results["components"]
    assert line["scheme"].startswith("int8/channel") and line["family"] == "linear"
    assert line["bytes_before"] > line["bytes_after"] > 0
    assert line["reason"] == "coef_: weight: int8/channel in recipe 8"
    json.dumps(results, allow_nan=False)
    loaded = mq.load(results["output_path"])
    assert np.mean(loaded.predict(X) == classifier.predict(X)) > 0.99
    assert sorted(path.name for path in folder.iterdir()) == [
        "my_model.npz", "my_model.pkl", "my_model.qma"
    ]  # fmt: skip


def test_without_rows_only_what_rounds_nothing_is_written(folder: Path) -> None:
    kept = quantize_model_file(folder / "my_model.pkl", bit_depth=8)
    assert (kept["status"], kept["output_path"]) == ("unverified", None)  # exact saves too little
    assert "no held-out data" in kept["note"]
    forest = RandomForestRegressor(20, random_state=0).fit(X[TRAIN], X[TRAIN, 0])
    (folder / "forest.pkl").write_bytes(pickle.dumps(forest))
    found = quantize_model_file(folder / "forest.pkl", bit_depth=8)
    assert (found["status"], found["guarantee"]) == ("published", "exact")
    assert found["bit_depth"] == "exact"
    assert "rounds nothing; asked on" in found["note"]
    assert "in place of 8 bits: no held-out data" in found["note"]
    loaded = mq.load(found["output_path"])
    np.testing.assert_array_equal(loaded.predict(X), forest.predict(X))


def test_held_out_rows_prove_it_and_stay_in_the_artifact(folder: Path) -> None:
    results = quantize_model_file(folder / "my_model.pkl", held_out=folder / "my_model.npz")
    assert results["status"] == "published"
    assert results["guarantee"] in ("label_exact", "non_inferior")
    assert results["metric"] == "accuracy"
    assert results["score_before"] == pytest.approx(results["score_after"], abs=0.005)
    assert results["evaluation"]["rows"] == 600
    assert results["evaluation"]["verdict"]["publish"] is True
    assert results["evaluation"]["latency_before"]["one_row_p50_us"] > 0
    loaded = mq.load(results["output_path"])
    assert loaded.artifact.manifest["evaluation"]["rows"] == 600


@pytest.mark.parametrize(
    ("depth", "scheme", "largest"),
    [
        (8, "int8/channel", 0.6),
        (16, "int16/channel", 0.3),
        (32, "float32", 0.6),
        ("exact", "exact", 1.0),
    ],
)
def test_every_bit_depth(depth: Any, scheme: str, largest: float, folder: Path) -> None:
    output = folder / "deep" / "er" / "out.qma"
    results = quantize_model_file(
        folder / "my_model.pkl",
        output,
        depth,
        gate=GatePolicy(min_size_reduction=-1, publish_unverified=True),
    )
    assert results["output_path"] == str(output) and output.is_file()
    assert scheme in results["components"][0]["scheme"]
    assert results["bit_depth"] == str(depth)
    bits = "exact" if depth == "exact" else f"{depth} bits"
    assert repr(mq.load(output)).startswith(f"<QuantizedModel LogisticRegression, {bits}, ")


def test_the_exact_recipe_by_name(folder: Path, classifier: LogisticRegression) -> None:
    results = quantize_model_file(
        folder / "my_model.pkl", recipe="exact", held_out=folder / "my_model.npz",
        gate=GatePolicy(min_size_reduction=-1),
    )  # fmt: skip
    assert (results["guarantee"], results["bit_depth"]) == ("exact", "exact")
    restored = mq.load(results["output_path"]).restore()
    assert restored.coef_.tobytes() == classifier.coef_.tobytes()


def test_auto_is_the_smallest_that_passes(folder: Path) -> None:
    rows = np.concatenate([X[TEST] + shift for shift in (0.0, 1e-6, 2e-6, 3e-6, 4e-6)])
    np.savez(folder / "many.npz", X=rows, target=np.tile(Y[TEST], 5))
    results = quantize_model_file(
        folder / "my_model.pkl", bit_depth="auto", held_out=folder / "many.npz"
    )
    eight = quantize_model_file(
        folder / "my_model.pkl", folder / "eight.qma", 8, held_out=folder / "many.npz"
    )
    assert results["status"] == eight["status"] == "published"
    size, larger = (Path(each["output_path"]).stat().st_size for each in (results, eight))
    assert size < larger and int(results["bit_depth"]) < 8


def test_a_tiny_model_gains_nothing_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "tiny.pkl"
    source.write_bytes(pickle.dumps(Ridge().fit(X[:, :2], Y)))
    results = quantize_model_file(source)
    assert (results["status"], results["reason"]) == ("no_gain", "no_gain")
    assert results["output_path"] is None
    assert results["file_size_reduction_percent"] < 0
    assert results["note"].startswith("original kept: the artifact has")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pkl"]


def test_a_model_that_loses_too_much_stays_as_it_is(
    folder: Path, classifier: LogisticRegression
) -> None:
    old = folder / "my_model.qma"
    old.write_bytes(b"the last one")
    model = deepcopy(classifier)
    model.coef_[:, 0] = 1e6  # beside these, 8 bits leave nothing of the others
    (folder / "my_model.pkl").write_bytes(pickle.dumps(model))
    with np.load(folder / "my_model.npz") as stored:
        arrays = dict(stored)
    arrays["X"][:, 0] = 0.0
    np.savez(folder / "my_model.npz", **arrays)
    results = quantize_model_file(folder / "my_model.pkl", held_out=folder / "my_model.npz")
    assert (results["status"], results["reason"]) == ("fallback", "gate")
    assert results["output_path"] is None and old.read_bytes() == b"the last one"
    assert "a loss of" in results["note"] and "try more bits" in results["note"]
    assert results["quantized_size_bytes"] > 0


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("model.joblib", "model.qma"),
        ("model.joblib.gz", "model.qma"),
        ("model.v1.2.pkl", "model.v1.2.qma"),
        ("MODEL.SAV", "MODEL.qma"),
        ("model.bin", "model.bin.qma"),
    ],
)
def test_the_default_name_of_the_artifact(
    given: str, made: str, classifier: LogisticRegression, tmp_path: Path
) -> None:
    joblib.dump(classifier, tmp_path / given)
    results = quantize_model_file(tmp_path / given, gate=UNPROVEN)
    assert results["output_path"] == str(tmp_path / made)


def test_relative_paths_are_of_the_directory_of_the_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    results = quantize_model_file("my_model.pkl", held_out="my_model.npz")
    assert results["output_path"] == "my_model.qma"
    assert mq.load("my_model.qma").n_features_in_ == 120


def test_mixed_precision_by_overrides(tmp_path: Path) -> None:
    source = tmp_path / "two.pkl"
    models = {"a": Ridge().fit(X, np.eye(4)[Y]), "b": Ridge().fit(X, np.eye(4)[Y])}
    source.write_bytes(pickle.dumps(models))
    results = quantize_model_file(
        source,
        overrides=[
            ("a/coef_", {"kind": "affine", "bits": 16}),
            ("*/coef_", {"kind": "codebook", "bits": 4}),
        ],
        gate=UNPROVEN,
    )
    first, second = results["components"]
    assert (first["path"], first["scheme"]) == ("a", "int16/channel, exact")
    assert (second["path"], second["scheme"]) == ("b", "codebook4, exact")
    assert first["reason"] == "coef_: asked for by an override"
    with pytest.raises(
        SchemeError,
        match=r"a/intercept_: float16 is not tolerated here; expected "
        r"exact, got a bias of float64; change the override",
    ):
        quantize_model_file(source, overrides=[("a/intercept_", {"kind": "float", "bits": 16})])


def test_pruning_takes_small_weights_only(folder: Path, classifier: LogisticRegression) -> None:
    model = deepcopy(classifier)
    largest = np.abs(model.coef_).max()
    is_small = np.abs(model.coef_) < np.median(np.abs(model.coef_))
    model.coef_[is_small] = np.sign(model.coef_[is_small]) * largest * 5e-4
    (folder / "my_model.pkl").write_bytes(pickle.dumps(model))
    threshold = largest * 1e-3
    dense = quantize_model_file(folder / "my_model.pkl", folder / "a.qma", 16, 0.0, gate=UNPROVEN)
    sparse = quantize_model_file(
        folder / "my_model.pkl", folder / "b.qma", 16, threshold, gate=UNPROVEN
    )
    assert sparse["quantized_size_bytes"] < dense["quantized_size_bytes"]
    restored = mq.load(folder / "b.qma").restore()
    zero = restored.coef_ == 0
    np.testing.assert_array_equal(zero, is_small)
    np.testing.assert_array_equal(restored.intercept_, classifier.intercept_)


def test_one_range_an_array_without_dynamic_quantization(folder: Path) -> None:
    results = quantize_model_file(
        folder / "my_model.pkl", use_dynamic_quantization=False, gate=UNPROVEN
    )
    assert results["components"][0]["scheme"].startswith("int8/array")


def test_calibration_rows_are_not_evaluated_on(folder: Path) -> None:
    results = quantize_model_file(
        folder / "my_model.pkl", held_out=folder / "my_model.npz", calibration_rows=100
    )
    assert results["evaluation"]["rows"] == 500
    rows = np.concatenate([X[TEST], X[TEST][:3]])
    np.savez(folder / "twice.npz", X=rows, target=np.concatenate([Y[TEST], Y[TEST][:3]]))
    with pytest.raises(HeldOutError, match="3 of 503 held-out rows are also calibration rows"):
        quantize_model_file(
            folder / "my_model.pkl", held_out=folder / "twice.npz", calibration_rows=100
        )


def test_several_targets_of_a_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame(X[:, :40]).add_prefix("x")
    targets = np.column_stack([X[:, 0] * 2, X[:, 1] - X[:, 2]])
    (tmp_path / "two.pkl").write_bytes(pickle.dumps(Ridge().fit(frame[TRAIN], targets[TRAIN])))
    frame[TEST].assign(left=targets[TEST, 0], right=targets[TEST, 1]).to_parquet(
        tmp_path / "two.parquet"
    )
    results = quantize_model_file(
        tmp_path / "two.pkl", held_out=tmp_path / "two.parquet", target=["left", "right"],
        bit_depth=16, gate=GatePolicy(min_size_reduction=-1),
    )  # fmt: skip
    assert results["status"] == "published" and results["metric"] == "r2"
    with pytest.raises(HeldOutError, match="target"):
        quantize_model_file(tmp_path / "two.pkl", held_out=tmp_path / "two.parquet")


BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"bit_depth": 7}, "bit_depth: a setting .* expected 8, 16, 32, exact, auto, got '7'"),
    ({"bit_depth": "auto"}, "bit_depth: without held-out data there is nothing .* pass held_out"),
    ({"recipe": "lossy"}, "recipe: unknown recipe; expected exact, got 'lossy'"),
    ({"weight_threshold": -0.1}, "weight_threshold: a setting .* at least 0, got -0.1"),
    ({"weight_threshold": float("nan")}, "weight_threshold: a setting .* at least 0, got nan"),
    ({"calibration_rows": -1}, "calibration_rows: a setting .* at least 0, got -1"),
    ({"trusted": ["os"]}, "trusted: a trusted name must say where it is"),
    (
        {"overrides": [("a*", {"kind": "affine", "bits": 9})]},
        r"overrides\['a\*'\]: .* bits must be",
    ),
    ({"overrides": [("*", {"kind": "magic"})]}, "unknown scheme kind 'magic'; known: exact"),
]


@pytest.mark.parametrize(("options", "message"), BAD_ARGUMENTS)
def test_arguments_that_cannot_be_used(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        quantize_model_file(folder / "my_model.pkl", **options)


def test_files_that_are_not_opened(folder: Path) -> None:
    with pytest.raises(PathRefused, match=r"missing\.pkl"):
        quantize_model_file(folder / "missing.pkl")
    (folder / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ScanRefused, match=r"evil\.pkl.*os[.:]system"):
        quantize_model_file(folder / "evil.pkl")
    (folder / "noise.pkl").write_bytes(b"not a model")
    with pytest.raises(ScanMalformed, match=r"noise\.pkl"):
        quantize_model_file(folder / "noise.pkl")
    with pytest.raises(QuantizationError, match="at most 10"):
        quantize_model_file(folder / "my_model.pkl", limits=Limits(file_bytes=10))
    with pytest.raises(HeldOutError, match=r"missing\.npz: the held-out file cannot be opened"):
        quantize_model_file(folder / "my_model.pkl", held_out=folder / "missing.npz")


# ModelQuantizer -----------------------------------------------------------------------------


def test_the_documented_quantizer(classifier: LogisticRegression) -> None:
    quantizer = ModelQuantizer(bit_depth=8, weight_threshold=0.001, use_dynamic_quantization=True)
    assert (quantizer.bit_depth, quantizer.weight_threshold) == (8, 0.001)
    assert quantizer.use_dynamic_quantization is True
    quantized_model, stats = quantizer.quantize_model(
        classifier, model_format="sklearn", calibration_data=X[TRAIN]
    )
    assert stats["calibrated"] == ["coef_"]
    assert stats["model_type"] == "LogisticRegression" and stats["family"] == "linear"
    assert stats["original_size_bytes"] == len(pickle.dumps(classifier, pickle.HIGHEST_PROTOCOL))
    assert stats["quantized_size_bytes"] == len(quantized_model.artifact.data)
    assert 50 < stats["size_reduction_percent"] < 100
    assert stats["guarantee"] == "unverified" and stats["notes"] == [] and stats["residue"] == {}
    json.dumps(stats)


@pytest.mark.parametrize("nested", [False, True])
def test_calibration_lowers_the_error_of_the_output(nested: bool) -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(400, 200)) * np.logspace(0, 2, 200)[::-1]
    target = rows[:, :6] + rng.normal(size=(400, 6))
    model: Any = Ridge().fit(rows, target)
    model.coef_[:, -1] = 3.0  # outliers that the data hardly ever touches widen every range
    if nested:
        model = make_pipeline(StandardScaler(with_std=False), model)
        model.steps[0][1].fit(rows)
    plain, _ = ModelQuantizer(8, 0.0).quantize_model(model)
    tuned, stats = ModelQuantizer(8, 0.0).quantize_model(model, calibration_data=rows)
    assert stats["calibrated"] == ["steps/ridge/coef_" if nested else "coef_"]
    errors = [np.sum((each.predict(rows) - model.predict(rows)) ** 2) for each in (plain, tuned)]
    assert errors[1] < errors[0] / 2
    assert not any(name in vars(model) for name in ("predict", "transform"))


def test_a_pickle_is_taken_as_bytes_or_path(folder: Path, classifier: LogisticRegression) -> None:
    source = folder / "my_model.pkl"
    for given in (source, str(source), source.read_bytes()):
        made, stats = ModelQuantizer(16).quantize_model(given, model_format="pickle")
        np.testing.assert_array_equal(made.predict(X), classifier.predict(X))
        assert stats["original_size_bytes"] == source.stat().st_size
    _, stats = ModelQuantizer(8).quantize_model(
        source, model_format="pickle", calibration_data=X[TRAIN]
    )
    assert stats["calibrated"] == ["coef_"]
    packed = folder / "packed.pkl"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    assert ModelQuantizer().quantize_model(packed, "pickle")[1]["model_type"]
    with pytest.raises(ScanRefused):
        ModelQuantizer().quantize_model(b"cos\nsystem\n(S'true'\ntR.", "pickle")
    with pytest.raises(
        ConfigError,
        match="model: neither the bytes nor the path of a pickle; expected bytes, str "
        'or Path, got LogisticRegression; pass model_format="sklearn"',
    ):
        ModelQuantizer().quantize_model(classifier, "pickle")


def test_residue_of_a_pickle_is_reported_like_that_of_a_live_model() -> None:
    model = LassoCV(alphas=[0.5, 0.1], cv=3).fit(X[TRAIN], X[TRAIN, 0])
    for given, form in ((model, "sklearn"), (pickle.dumps(model), "pickle")):
        made, stats = ModelQuantizer("exact").quantize_model(given, form)  # type: ignore[arg-type]
        assert set(stats["residue"]) == {"alphas_", "mse_path_"}
        with pytest.raises(DroppedAttribute):
            _ = made.mse_path_


def test_quantizer_arguments_that_cannot_be_used(classifier: LogisticRegression) -> None:
    with pytest.raises(ConfigError, match=r"bit_depth: without .*quantize_model_file"):
        ModelQuantizer(bit_depth="auto")
    with pytest.raises(ConfigError, match="bit_depth: a setting that cannot be used"):
        ModelQuantizer(bit_depth=4)
    with pytest.raises(ConfigError, match="weight_threshold"):
        ModelQuantizer(weight_threshold=float("inf"))
    with pytest.raises(
        ConfigError,
        match="model_format: unknown model format; expected sklearn, pickle or custom, got 'onnx'",
    ):
        ModelQuantizer().quantize_model(classifier, model_format="onnx")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["churn.pkl", Path("churn.pkl"), b"churn", None], ids=repr)
def test_a_path_is_not_taken_for_a_model(given: object) -> None:
    with pytest.raises(ConfigError, match=r"model: not a fitted model; .*`quantize_model_file`"):
        ModelQuantizer().quantize_model(given)


def test_overrides_and_recipe_of_the_quantizer(classifier: LogisticRegression) -> None:
    quantizer = ModelQuantizer(8, overrides=[("coef_", {"kind": "exact"})])
    made, _ = quantizer.quantize_model(classifier)
    np.testing.assert_array_equal(made.coef_, classifier.coef_)
    exact, stats = ModelQuantizer(recipe="exact").quantize_model(classifier)
    assert stats["bit_depth"] == "exact" and stats["weight_threshold"] == 0.0
    np.testing.assert_array_equal(exact.predict_proba(X), classifier.predict_proba(X))


# compare_model_performance ------------------------------------------------------------------


def test_comparing_two_files(folder: Path) -> None:
    quantize_model_file(folder / "my_model.pkl", gate=UNPROVEN)
    found = compare_model_performance(
        folder / "my_model.pkl", str(folder / "my_model.qma"), X[TEST], Y[TEST], budget_seconds=0.01
    )
    assert (found["rows"], found["task"], found["metric"]) == (600, "classification", "accuracy")
    for side in ("original", "quantized"):
        assert found[side].keys() == {
            "score", "metrics", "latency", "load_seconds", "resident_bytes", "size_bytes"
        }  # fmt: skip
        assert found[side]["metrics"]["accuracy"] == found[side]["score"]
        assert found[side]["load_seconds"] > 0 and found[side]["resident_bytes"] > 0
        assert found[side]["latency"]["one_row_p99_us"] >= found[side]["latency"]["one_row_p50_us"]
        assert found[side]["latency"]["batch_p50_us"] > 0
    assert found["quantized"]["size_bytes"] < found["original"]["size_bytes"]
    assert found["size_reduction_percent"] > 50
    assert found["agreement"] > 0.99
    assert 0 < found["largest_score_difference"]["predict_proba"] < 0.05
    assert found["bit_identical"] is False and found["failed"] == {}
    assert found["speedup_one_row"] > 0 and found["speedup_batch"] > 0
    assert found["score_change"] == pytest.approx(
        found["quantized"]["score"] - found["original"]["score"]
    )
    json.dumps(found, allow_nan=False)


def test_comparing_objects_and_a_regressor_without_a_truth(classifier: LogisticRegression) -> None:
    quick = {"budget_seconds": 0.01}
    made, _ = ModelQuantizer("exact").quantize_model(classifier)
    found = compare_model_performance(classifier, made, X, **quick)
    assert found["bit_identical"] and found["agreement"] == 1.0
    assert found["original"]["load_seconds"] is None and found["original"]["size_bytes"] is None
    assert found["metric"] == "agreement" and found["size_reduction_percent"] is None
    ridge = Ridge().fit(X, X[:, 0] + RNG.normal(size=900))
    made, _ = ModelQuantizer(8).quantize_model(ridge)
    found = compare_model_performance(ridge, made, X, X[:, 0], metric="neg_mae", **quick)
    assert (found["task"], found["metric"]) == ("regression", "neg_mae")
    assert {"r2", "neg_rmse", "neg_mae"} <= found["original"]["metrics"].keys()
    clusters = KMeans(3, n_init=1, random_state=0).fit(X)
    made, _ = ModelQuantizer("exact").quantize_model(clusters)
    assert compare_model_performance(clusters, made, X, **quick)["agreement"] == 1.0


def test_what_cannot_be_compared(folder: Path, classifier: LogisticRegression) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.pkl: no such model file; pass an existing"):
        compare_model_performance(folder / "nowhere.pkl", classifier, X)
    with pytest.raises(ConfigError, match="gate/metric"):
        compare_model_performance(classifier, classifier, X, metric="beauty")
    with pytest.raises(PredictionError, match="dict: the model has no method that answers rows"):
        compare_model_performance({"a": classifier}, classifier, X)
    (folder / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(QuantizationError, match=r"evil\.pkl"):
        compare_model_performance(folder / "evil.pkl", classifier, X)


# batch_quantize_models ----------------------------------------------------------------------


def test_a_directory_at_once(folder: Path) -> None:
    models, held_out = folder / "models", folder / "holdout"
    (models / "sub").mkdir(parents=True)
    held_out.mkdir()
    shutil.copy(folder / "my_model.pkl", models / "one.pkl")
    shutil.copy(folder / "my_model.npz", held_out / "one.npz")
    shutil.copy(folder / "my_model.pkl", models / "sub" / "two.pkl")
    (models / "tiny.pkl").write_bytes(pickle.dumps(Ridge().fit(X[:, :2], Y)))
    (models / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    results = batch_quantize_models(
        model_dir=str(models), output_dir=str(models / "quantized"), bit_depth=16,
        weight_threshold=0.001, holdout_dir=held_out, latency_seconds=0,
    )  # fmt: skip
    summary = results["summary"]
    assert {name: record["status"] for name, record in results["models"].items()} == {
        "one": "published", "sub/two": "unverified", "tiny": "no_gain", "evil": "refused"
    }  # fmt: skip
    assert (summary["total_models"], summary["published_models"]) == (4, 1)
    assert summary["counts"]["published"] == 1 and summary["counts"]["refused"] == 1
    assert 0 < summary["overall_size_reduction_percent"] < 100
    assert summary["served_size_bytes"] < summary["original_size_bytes"]
    one = results["models"]["one"]
    assert Path(one["output_path"]) == models / "quantized" / "one.qma"
    assert mq.load(one["output_path"]).n_features_in_ == 120
    assert results["models"]["evil"]["output_path"] is None
    again = batch_quantize_models(models, bit_depth=16, holdout_dir=held_out, latency_seconds=0)
    assert all(record["unchanged"] for record in again["models"].values())


def test_options_of_a_batch_that_cannot_be_used(folder: Path) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        batch_quantize_models(folder, nonsense=1)
    with pytest.raises(ConfigError, match="bit_depth"):
        batch_quantize_models(folder, bit_depth=7)
    with pytest.raises(ConfigError, match="missing"):
        batch_quantize_models(folder / "missing")
