"""Meta-estimators whose fitted weights lie on a grid."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.scheme import Affine, Role, Slot
from model_quantization.schemes.straight_through import LayerGrid, train_on_grid
from model_quantization.schemes.together import round_together
from model_quantization.training import QuantizationAwareClassifier, QuantizationAwareRegressor

ROWS, LABELS = make_classification(
    600, 20, n_informative=10, n_classes=3, n_clusters_per_class=1, random_state=0
)
NUMBERS, VALUES = make_regression(400, 12, noise=5.0, random_state=0)


@parametrize_with_checks([QuantizationAwareClassifier(), QuantizationAwareRegressor()])
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def fitted(model: Any, rows: Any, target: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, target)


MODELS = {
    "logistic": (QuantizationAwareClassifier, LogisticRegression(), ROWS, LABELS),
    "binary": (QuantizationAwareClassifier, LogisticRegression(), ROWS, LABELS > 0),
    "margin": (QuantizationAwareClassifier, LinearSVC(random_state=0), ROWS, LABELS),
    "sgd": (QuantizationAwareClassifier, SGDClassifier(random_state=0), ROWS, LABELS),
    "least squares": (QuantizationAwareRegressor, LinearRegression(), NUMBERS, VALUES),
    "several outputs": (
        QuantizationAwareRegressor,
        Ridge(),
        NUMBERS,
        np.column_stack([VALUES, -VALUES]),
    ),
    "network": (
        QuantizationAwareClassifier,
        MLPClassifier((16, 8), max_iter=40, random_state=0),
        ROWS,
        LABELS,
    ),
    "binary network": (
        QuantizationAwareClassifier,
        MLPClassifier((16,), activation="tanh", max_iter=40, random_state=0),
        ROWS,
        LABELS > 0,
    ),
    "network of numbers": (
        QuantizationAwareRegressor,
        MLPRegressor(hidden_layer_sizes=(16,), activation="logistic", max_iter=40, random_state=0),
        NUMBERS,
        VALUES,
    ),
}


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("name", MODELS)
def test_quantizing_at_as_many_bits_loses_nothing(name: str, bits: int) -> None:
    kind, estimator, rows, target = MODELS[name]
    model = fitted(kind(estimator, bits=bits, epochs=3), rows, target).estimator_
    layers = model.coefs_ if hasattr(model, "coefs_") else [np.atleast_2d(model.coef_).T]
    for layer in layers:
        assert max(len(np.unique(column)) for column in layer.T) < 1 << bits
        slot = Slot(Role.WEIGHT, channel_axis=1)
        again = dequantize_array(quantize_array(layer, Affine(bits), slot))  # type: ignore[arg-type]
        np.testing.assert_array_equal(again, layer)


def test_more_bits_are_nearer_to_the_estimator() -> None:
    plain = LogisticRegression().fit(ROWS, LABELS)
    errors = []
    for bits in (2, 3, 4, 6, 8):
        model = QuantizationAwareClassifier(LogisticRegression(), bits=bits).fit(ROWS, LABELS)
        errors.append(np.square(model.predict_proba(ROWS) - plain.predict_proba(ROWS)).mean())
    assert errors == sorted(errors, reverse=True)


def test_rounding_together_is_nearer_than_one_by_one() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(500, 20)) @ random.normal(size=(20, 20))
    weights = random.normal(size=(20, 4))
    scale = np.abs(weights).max(axis=0) / 3
    solved = round_together(weights, rows, scale, 3) * scale
    nearest = np.clip(np.rint(weights / scale), -3, 3) * scale
    assert np.abs(solved / scale).max() <= 3

    def error(candidate: Any) -> float:
        return float(np.square(rows @ (candidate - weights)).sum())

    assert error(solved) < 0.7 * error(nearest)


@pytest.mark.parametrize("output", ["softmax", "identity", "logistic"])
def test_training_on_a_grid_never_ends_worse_than_it_began(output: str) -> None:
    from model_quantization.schemes.straight_through import _forward, _loss

    random = np.random.default_rng(0)
    rows = random.normal(size=(200, 6))
    layers = [random.normal(size=(6, 8)), random.normal(size=(8, 3))]
    shifts = [np.zeros(8), np.zeros(3)]
    targets = _forward(rows, layers, shifts, "tanh", output)[-1]
    grids = [LayerGrid(np.abs(layer).max(axis=0) / 3, 3) for layer in layers]
    start = [grid.nearest(layer) for grid, layer in zip(grids, layers, strict=True)]
    before = _loss(_forward(rows, start, shifts, "tanh", output)[-1], targets, output)
    first, second = (
        train_on_grid(layers, shifts, grids, rows, targets, hidden="tanh", output=output, epochs=15)
        for _ in range(2)
    )
    after = _loss(_forward(rows, *first, "tanh", output)[-1], targets, output)
    assert after < before
    for one, other in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(one, other)
    for grid, layer in zip(grids, first[0], strict=True):
        np.testing.assert_allclose(grid.nearest(layer), layer)


def test_what_has_no_weights_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs an estimator with weights .* KNeighborsClassifier"):
        QuantizationAwareClassifier(KNeighborsClassifier()).fit(ROWS, LABELS)


@pytest.mark.parametrize("bits", [1, 9, 4.0, "4"])
def test_bits_that_are_none(bits: Any) -> None:
    with pytest.raises(ValueError, match="'bits' parameter"):
        QuantizationAwareClassifier(bits=bits).fit(ROWS, LABELS)


def test_it_is_cloned_and_answers_as_its_estimator() -> None:
    model = clone(QuantizationAwareClassifier(LinearSVC(random_state=0), bits=5)).fit(ROWS, LABELS)
    np.testing.assert_array_equal(model.predict(ROWS), model.estimator_.predict(ROWS))
    assert not hasattr(model, "predict_proba") and hasattr(model, "decision_function")
