"""Neighbours: what the scan of the known rows leaves to the restored estimator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from model_quantization import ModelQuantizer


@pytest.mark.parametrize("algorithm", ["brute", "ball_tree"])
def test_a_metric_whose_parameters_are_arrays_is_the_restored_estimators(algorithm: str) -> None:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    model = KNeighborsClassifier(
        metric="seuclidean", metric_params={"V": np.array([1.0, 4.0, 9.0])}, algorithm=algorithm
    ).fit(rows, rows[:, 0] > 0)
    made, _ = ModelQuantizer("exact").quantize_model(model)
    assert "predict" not in made.fast_methods
    np.testing.assert_array_equal(made.predict(rows), model.predict(rows))
