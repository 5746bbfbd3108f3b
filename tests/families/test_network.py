"""Networks of rounded weights: labels of the restored estimator's, whichever numbers find them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from model_quantization import ModelQuantizer
from model_quantization.families.shared import network as shared
from model_quantization.families.shared.network import Network

ROWS, LABELS = make_classification(
    500, 24, n_informative=12, n_classes=5, n_clusters_per_class=1, random_state=0
)
SEEN = slice(0, 200)
LAYERS = {
    "relu": (MLPClassifier, (120, 80), LABELS),
    "identity": (MLPClassifier, (20,), LABELS),
    "tanh": (MLPClassifier, (120, 80), LABELS),
    "logistic": (MLPClassifier, (120, 80), LABELS),
    "binary": (MLPClassifier, (40, 30), LABELS > 2),
    "regressor": (MLPRegressor, (40, 30), ROWS[:, 0] * 40 + 3),
    "two numbers": (MLPRegressor, (40,), ROWS[:, :2]),
}


def fitted(name: str, *, scaler: Any = None) -> Any:
    kind, sizes, target = LAYERS[name]
    activation = name if name in ("relu", "identity", "tanh", "logistic") else "relu"
    model = kind(hidden_layer_sizes=sizes, activation=activation, max_iter=8, random_state=0)
    if scaler is not None:
        model = make_pipeline(scaler, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few iterations are enough here
        return model.fit(ROWS[SEEN] * 3 + 1, target[SEEN])


def both(model: Any, bits: int | str = 8) -> tuple[Any, Any]:
    quantized, _ = ModelQuantizer(bits).quantize_model(model)
    return quantized, quantized.restore()


def scale_of(answer: Any) -> float:
    return float(np.abs(answer).max())


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("scaler", [None, StandardScaler(), MinMaxScaler()], ids=str)
def test_answers_are_those_of_the_restored_estimator(name: str, bits: int, scaler: Any) -> None:
    quantized, restored = both(fitted(name, scaler=scaler), bits)
    rows = ROWS * 3 + 1
    for given in (rows, np.asfortranarray(rows), rows[::3, :], rows[:1], rows.astype(np.float32)):
        found, expected = quantized.predict(given), restored.predict(given)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        if hasattr(restored, "classes_"):
            np.testing.assert_array_equal(found, expected)
            found, expected = quantized.predict_proba(given), restored.predict_proba(given)
        off = 1e-6 if given.dtype == np.float64 else 1e-4
        np.testing.assert_allclose(found, expected, rtol=0, atol=off * scale_of(expected))


@pytest.mark.parametrize("name", ["relu", "binary", "regressor"])
@pytest.mark.parametrize("factor", [1e3, 1e12])
def test_rows_in_doubt_are_done_again(
    name: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With bounds far too large, most rows are done again, in float64 at last.
    plain = shared.bounds_of_codes
    monkeypatch.setattr(shared, "bounds_of_codes", lambda *given: plain(*given) * factor)
    exact = []
    in_float64 = Network.in_float64
    winners_in = Network._winners_in
    monkeypatch.setattr(
        Network, "in_float64", lambda self, rows: exact.append(len(rows)) or in_float64(self, rows)
    )
    monkeypatch.setattr(
        Network,
        "_winners_in",
        lambda self, dtype, rows: exact.append(len(rows)) or winners_in(self, dtype, rows),
    )
    quantized, restored = both(fitted(name, scaler=StandardScaler()))
    exact.clear()
    np.testing.assert_allclose(quantized.predict(ROWS), restored.predict(ROWS), rtol=1e-6)
    if name != "regressor":
        found, expected = quantized.predict_proba(ROWS), restored.predict_proba(ROWS)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    if factor == 1e12:
        assert sum(exact) >= len(ROWS)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "steps",
    [
        (MinMaxScaler(), StandardScaler()),
        (SelectKBest(k=14), StandardScaler()),
        (StandardScaler(), SelectKBest(k=14)),
        (StandardScaler(), PCA(9), MinMaxScaler()),
    ],
    ids=lambda steps: "-".join(type(step).__name__ for step in steps),
)
def test_several_steps_before_a_network(steps: tuple[Any, ...], bits: int) -> None:
    layers = MLPClassifier((120, 80), max_iter=8, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_pipeline(*steps, layers).fit(ROWS[SEEN] * 3 + 1, LABELS[SEEN])
    quantized, restored = both(model, bits)
    rows = ROWS * 3 + 1
    np.testing.assert_array_equal(quantized.predict(rows), restored.predict(rows))
    found, expected = quantized.predict_proba(rows), restored.predict_proba(rows)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    answered = {method.method: method.fast for method in quantized.explain().methods}
    assert answered["predict"] and answered["predict_proba"]


def test_few_rows_are_in_doubt() -> None:
    quantized, restored = both(fitted("relu", scaler=StandardScaler()))
    codes = [
        (np.rint(weight / scale).astype(np.int8), scale)
        for weight in restored[-1].coefs_
        for scale in [np.abs(weight).max(axis=0) / 127]
    ]
    assert quantized is not None
    network = Network(
        lambda: [code * scale for code, scale in codes], restored[-1].intercepts_, codes, "relu"
    )
    rows = restored[0].transform(ROWS)
    for sums in "fd":
        winners = np.empty(len(rows), np.int64)
        unclear = network._coded_scores(rows, sums, winners)[2]
        assert unclear <= (0.05 if sums == "f" else 0.002) * len(rows)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e200])
def test_rows_that_are_not_finite(bits: int, odd: float) -> None:
    quantized, restored = both(fitted("relu", scaler=StandardScaler()), bits)
    rows = ROWS[:40].copy()
    rows[3, 5] = odd
    if odd == 1e200:
        np.testing.assert_array_equal(quantized.predict(rows), restored.predict(rows))
        return
    for method in ("predict", "predict_proba"):
        with pytest.raises(ValueError, match="Input X contains"):
            getattr(quantized, method)(rows)


def test_ties_are_left_to_the_restored_estimator() -> None:
    model = fitted("relu")
    for weights in (*model.coefs_, *model.intercepts_):
        weights[...] = 0.0
    quantized, restored = both(model)
    np.testing.assert_array_equal(quantized.predict(ROWS), restored.predict(ROWS))
    np.testing.assert_allclose(quantized.predict_proba(ROWS), restored.predict_proba(ROWS))


@pytest.mark.parametrize("name", LAYERS)
def test_exact_networks_have_every_bit(name: str) -> None:
    model = fitted(name, scaler=StandardScaler())
    quantized, _ = both(model, "exact")
    np.testing.assert_array_equal(quantized.predict(ROWS), model.predict(ROWS))
    if hasattr(model, "classes_"):
        found = quantized.predict_proba(ROWS)
        assert found.tobytes() == np.ascontiguousarray(model.predict_proba(ROWS)).tobytes()


def test_networks_fitted_on_float32_answer_as_before() -> None:
    kind, sizes, target = LAYERS["relu"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = kind(hidden_layer_sizes=sizes, max_iter=10, random_state=0).fit(
            ROWS.astype(np.float32), target
        )
    assert model.coefs_[0].dtype == np.float32
    quantized, restored = both(model)
    np.testing.assert_array_equal(
        quantized.predict(ROWS.astype(np.float32)), restored.predict(ROWS.astype(np.float32))
    )
