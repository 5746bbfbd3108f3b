"""What the child finds in a model: its estimators, whether they are fitted, who takes the rows."""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import DBSCAN
from sklearn.covariance import EmpiricalCovariance
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from model_quantization.errors import HeldOutError, UnfittedModel, UntrustedTypeError
from model_quantization.estimators.reachable import (
    answered_model,
    check_fitted,
    find_estimators,
    find_surfaces,
    serving_method,
)
from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.heldout import read_rows
from model_quantization.graph.methods import is_estimator, public_methods_of, task_of
from model_quantization.graph.traversal import array_paths
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.pipeline.ask import ask_original
from model_quantization.pipeline.child.handover import Original
from model_quantization.pipeline.child.messages.rows import RowsRequest
from model_quantization.pipeline.child.original import (
    extend_import_path,
    import_path,
)
from model_quantization.trust import TrustPolicy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
Y = (X[:, 0] > 0).astype(int)
CLASSIFIER = LogisticRegression().fit(X, Y)
SCALER = StandardScaler().fit(X)


def inspected(
    model: Any, folder: Path, held_out: Path | None = None, calibration_rows: int = 0
) -> Original:
    source = folder / "model.pkl"
    source.write_bytes(pickle.dumps(model))
    workspace = Path(tempfile.mkdtemp(dir=folder))
    scanned = scan(source, TrustPolicy(), Limits(), workspace)
    rows = None
    if held_out is not None:
        rows = RowsRequest(held_out, calibration_rows=calibration_rows)
    return ask_original(scanned, TrustPolicy(), Limits(), rows, workspace)


class Predicting:
    """Not of scikit-learn, and a model all the same."""

    def predict(self, rows: Any) -> Any:
        return np.zeros(len(rows))


@pytest.mark.parametrize(
    "value",
    [CLASSIFIER, SCALER, Predicting(), DBSCAN(), TSNE(), KernelDensity(), NearestNeighbors(),
     EmpiricalCovariance(), make_pipeline(SCALER, CLASSIFIER)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_estimators_are_known_by_what_they_can_do(value: Any) -> None:
    assert is_estimator(value)
    assert find_estimators(value) == {"": value}


@pytest.mark.parametrize(
    "value", [LogisticRegression, RBF(), np.zeros(3), "text", None, {"a": 1}, len],
    ids=["a class", "a kernel", "an array", "text", "nothing", "a dict", "a function"],
)  # fmt: skip
def test_other_things_are_not(value: Any) -> None:
    assert not is_estimator(value)


def test_estimators_in_containers_have_paths() -> None:
    model = {
        "a": CLASSIFIER,
        "deep": {"list": [SCALER, 3], "tuple": (None, CLASSIFIER)},
        5: SCALER,
        ("odd", "key"): CLASSIFIER,
        "set": {1},
    }
    assert list(find_estimators(model)) == ["a", "deep/list/0", "deep/tuple/1", "5", "(odd, key)"]
    surfaces = find_surfaces(model)
    assert surfaces["a"] == public_methods_of(CLASSIFIER)
    assert surfaces["5"].task == "transform" and surfaces["a"].task == "classification"


def test_the_rows_are_for_the_one_model_that_predicts() -> None:
    assert answered_model(CLASSIFIER) == ("", CLASSIFIER)
    assert answered_model({"scale": SCALER, "eu/model": CLASSIFIER}) == ("eu/model", CLASSIFIER)
    assert answered_model([SCALER]) == ("0", SCALER)
    assert answered_model([CLASSIFIER, {"same": CLASSIFIER}]) == ("0", CLASSIFIER)
    assert answered_model([CLASSIFIER, Ridge()]) is None
    assert answered_model([SCALER, StandardScaler()]) is None
    assert answered_model({"nothing": 1}) is None


def test_unfitted_estimators_are_named() -> None:
    for fitted in (CLASSIFIER, [SCALER], {"a": 1}, FunctionTransformer(), Predicting(), None):
        check_fitted(fitted)
    with pytest.raises(
        UnfittedModel,
        match=r"^Ridge: the estimator was never fitted; expected a "
        r"fitted estimator; fit it before saving it\.$",
    ):
        check_fitted(Ridge())
    with pytest.raises(UnfittedModel, match=r"^a/1: Ridge: "):
        check_fitted({"a": [SCALER, Ridge()]})


def test_tasks_and_methods() -> None:
    class Odd(TransformerMixin, BaseEstimator):
        def __sklearn_tags__(self) -> Any:
            raise AttributeError("not now")

        def transform(self, rows: Any) -> Any:
            return rows

    assert task_of(Odd()) == "transform"
    assert task_of(Predicting()) == "auto"
    assert task_of(GaussianMixture()) == "density"
    assert task_of(DBSCAN()) == "cluster"
    tasks = ("classification", "regression", "cluster")
    assert [ExpectedRows(task).needs_target for task in tasks] == [
        True, True, False
    ]  # fmt: skip
    assert serving_method(("predict", "predict_proba")) == "predict_proba"
    assert serving_method(("transform",)) == "transform" and serving_method(()) is None
    assert "fit_transform" not in public_methods_of(SCALER).methods


def test_calibration_rows_and_gate_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, X=X, target=Y)

    def read(count: int) -> Any:
        return read_rows(path, ("target",), ExpectedRows("classification"), count, Limits())

    calibration, gate = read(20)
    assert len(calibration) == 20 and len(gate) == 40
    np.testing.assert_array_equal(np.concatenate([calibration.rows, gate.rows]), X)
    for count in (0, 60, 1000):  # nothing would be left to evaluate on
        calibration, gate = read(count)
        assert calibration is None and len(gate) == 60
    np.savez(path, X=X[[0, 1, 0]], target=Y[[0, 1, 0]])
    with pytest.raises(HeldOutError, match="1 of 2 held-out rows are also calibration rows"):
        read(1)


def test_what_comes_back_from_the_child(tmp_path: Path) -> None:
    rows = tmp_path / "rows.npz"
    np.savez(rows, X=X, target=Y)
    model = make_pipeline(SCALER, CLASSIFIER)
    found = inspected(model, tmp_path, held_out=rows, calibration_rows=10)
    assert found.answered == "" and found.answers is not None and found.error is None
    np.testing.assert_array_equal(found.answers.arrays["predict"], model.predict(X[10:]))
    assert list(found.surfaces) == [""] and found.expected.feature_names is None
    assert found.load_seconds > 0
    (path,) = found.grams
    assert path == "steps/logisticregression/coef_"
    scaled = SCALER.transform(X[:10])
    np.testing.assert_allclose(found.grams[path], scaled.T @ scaled, atol=1e-9)


def test_arrays_of_every_layout_cross_the_process(tmp_path: Path) -> None:
    held: dict[str, Any] = {
        "fortran": np.asfortranarray(X),
        "strided": X[:, ::2],
        "big": X.astype(">f4"),
        "empty": np.empty((0, 3)),
        "scalar": np.array(2.5),
        "bool": X > 0,
        "text": np.array(["a", "bc"]),
        "time": np.array(["2026-11-24", "NaT"], dtype="M8[D]"),
    }
    graph = inspected(held, tmp_path).graph
    found = {path: graph.arrays[index] for index, path in array_paths(graph).items()}
    assert list(found) == list(held)
    for name, array in held.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype.isnative and found[name].shape == array.shape
    assert found["fortran"].flags.f_contiguous


def test_errors_of_the_child_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(UnfittedModel, match="Ridge"):
        inspected([Ridge()], tmp_path)
    with pytest.raises(UntrustedTypeError, match=r"Predicting"):
        TrustPolicy().check(f"{Predicting.__module__}:Predicting", "model")
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"")
    found = inspected(CLASSIFIER, tmp_path, held_out=bad)
    assert isinstance(found.error, HeldOutError) and found.answers is None
    assert found.graph.arrays


def test_children_find_modules_where_the_caller_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert import_path(TrustPolicy()) == ()
    monkeypatch.setattr(sys, "path", ["/one", "two"])
    entries = import_path(TrustPolicy(frozenset({"own:Model"})))
    assert entries == ("/one", str(Path("two").absolute()))
    extend_import_path(["/one", "/three"])
    assert sys.path == ["/one", "two", "/three"]
