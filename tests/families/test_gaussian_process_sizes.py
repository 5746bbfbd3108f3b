"""Rows that each class of a Gaussian process keeps are stored once, and its zeros by themselves."""

from __future__ import annotations

import io
import lzma

import joblib
import numpy as np
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF

from model_quantization.api import ModelQuantizer


def test_equal_rows_of_all_classes_are_one_array() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 9))
    labels = (rows[:, 0] > 0.4).astype(int) + (rows[:, 1] > 0)
    model = GaussianProcessClassifier(RBF(3.0), optimizer=None).fit(rows, labels)
    plain = io.BytesIO()
    joblib.dump(model, plain)
    quantized, _ = ModelQuantizer("exact").quantize_model(model)
    assert len(quantized.artifact.data) < len(lzma.compress(plain.getvalue(), preset=9))
    parts = [each.X_train_ for each in quantized.base_estimator_.estimators_]
    assert len(parts) == 3
    for part in parts:
        np.testing.assert_array_equal(part, rows)
    shapes = [array.shape for array in quantized.artifact]
    assert shapes.count(rows.shape) == 1 and shapes.count((120, 120)) == 3
    np.testing.assert_array_equal(quantized.predict(rows), model.predict(rows))
    np.testing.assert_array_equal(quantized.predict_proba(rows), model.predict_proba(rows))
