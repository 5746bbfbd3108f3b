"""Golden rows of a model some of whose methods always fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from model_quantization import ModelQuantizer


def test_a_method_that_is_not_implemented_is_no_hindrance() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(rows, rows[:, 0] > 0)
    made, _ = ModelQuantizer("exact").quantize_model(model)
    np.testing.assert_array_equal(made.predict(rows), model.predict(rows))
    with pytest.raises(NotImplementedError, match="lsqr"):
        made.transform(rows)
