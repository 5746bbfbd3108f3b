"""Support vector machines without scikit-learn: labels, ties, probabilities, and folded vectors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from model_quantization.api import ModelQuantizer
from model_quantization.predictor.quantized_model import QuantizedModel

ROWS, LABELS = make_classification(
    420, 8, n_informative=6, n_classes=4, n_clusters_per_class=1, random_state=0
)
ASKED = ROWS[200:]
FOUR, TWO = LABELS[:200], LABELS[:200] > 1


def quantized(model: Any, bit_depth: int | str) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


def restored_asked(made: QuantizedModel) -> bool:
    """Whether the restored estimator was made."""
    return made._restored is not None


@pytest.mark.parametrize("kernel", ["rbf", "poly", "linear", "sigmoid"])
@pytest.mark.parametrize("labels", [FOUR, TWO], ids=["four", "two"])
def test_labels_of_an_exact_artifact_are_the_originals(kernel: str, labels: Any) -> None:
    model = SVC(kernel=kernel, coef0=0.2, gamma=0.05).fit(ROWS[:200], labels)
    made = quantized(model, "exact")
    assert made.fast_methods == ("predict",)
    np.testing.assert_array_equal(made.predict(ASKED), model.predict(ASKED))
    assert not restored_asked(made)


def test_rows_on_a_border_are_the_restored_estimators() -> None:
    rows = np.array([[-1.0, 0.0], [1.0, 0.0], [-2.0, 1.0], [2.0, 1.0]])
    model = SVC(kernel="linear").fit(rows, [0, 1, 0, 1])
    made = quantized(model, "exact")
    on_it = np.array([[0.0, 5.0], [0.0, -3.0], [4.0, 0.0]])
    np.testing.assert_array_equal(made.predict(on_it[2:]), model.predict(on_it[2:]))
    assert not restored_asked(made)
    np.testing.assert_array_equal(made.predict(on_it), model.predict(on_it))
    assert restored_asked(made)


@pytest.mark.parametrize("shape", ["ovr", "ovo"])
@pytest.mark.parametrize("breaks_ties", [False, True])
def test_ties_are_broken_as_they_were(shape: str, breaks_ties: bool) -> None:
    model = SVC(decision_function_shape=shape, break_ties=breaks_ties).fit(ROWS[:200], FOUR)
    for bit_depth in ("8", "exact"):
        made = quantized(model, bit_depth)
        if breaks_ties and shape == "ovo":
            assert "predict" not in made.fast_methods
            with pytest.raises(ValueError, match="break_ties must be False"):
                made.predict(ASKED)
        else:
            np.testing.assert_array_equal(made.predict(ASKED), made.restore().predict(ASKED))
            assert not restored_asked(made)


@pytest.mark.parametrize("labels", [FOUR, TWO], ids=["four", "two"])
def test_probabilities_are_coupled_as_libsvm_couples_them(labels: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = SVC(probability=True, random_state=0).fit(ROWS[:200], labels)
    made = quantized(model, 32)
    assert {"predict_proba", "predict_log_proba"} <= set(made.fast_methods)
    expected = made.restore().predict_proba(ASKED)
    np.testing.assert_allclose(made.predict_proba(ASKED), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made.predict_log_proba(ASKED), np.log(expected), rtol=1e-9)


@pytest.mark.parametrize("bit_depth", [8, 16, 32])
@pytest.mark.parametrize(
    "model",
    [
        SVC(kernel="linear").fit(ROWS[:200], FOUR),
        SVC(kernel="linear").fit(ROWS[:200], TWO),
        NuSVC(kernel="linear", nu=0.4).fit(ROWS[:200], FOUR),
        SVR(kernel="linear").fit(ROWS[:200], ROWS[:200, 0] + FOUR),
        OneClassSVM(kernel="linear", nu=0.3).fit(ROWS[:200] + 5),
    ],
    ids=str,
)
def test_a_linear_machine_is_folded_to_a_vector_for_each_score(model: Any, bit_depth: int) -> None:
    made = quantized(model, bit_depth)
    restored = made.restore()
    assert len(restored.support_vectors_) == len(model.intercept_) < len(model.support_vectors_)
    assert made.artifact.data is not None and len(made.artifact.data) < 3000
    if hasattr(model, "decision_function"):
        scores, expected = restored.decision_function(ASKED), model.decision_function(ASKED)
        agreed = np.isclose(scores, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())
        assert agreed.mean() > 0.97  # a vote is a jump
    np.testing.assert_allclose(
        restored.coef_, model.coef_, rtol=0, atol=0.01 * np.abs(model.coef_).max()
    )
    same = restored.predict(ASKED) == model.predict(ASKED)
    assert isinstance(model, SVR) or same.mean() >= 0.97


def test_an_exact_artifact_and_other_kernels_keep_their_vectors() -> None:
    linear = SVC(kernel="linear").fit(ROWS[:200], FOUR)
    assert len(quantized(linear, "exact").restore().support_vectors_) == len(linear.support_)
    radial = SVC().fit(ROWS[:200], FOUR)
    assert len(quantized(radial, 8).restore().support_vectors_) == len(radial.support_)


def test_a_folded_machine_says_that_it_is() -> None:
    made, report = ModelQuantizer(bit_depth=8).quantize_model(
        SVC(kernel="linear").fit(ROWS[:200], FOUR)
    )
    assert "vectors added up to 6" in str(report) or "vectors added up to 6" in str(
        made.artifact.manifest
    )


def test_rows_that_no_number_can_be_made_of_are_the_restored_estimators() -> None:
    model = SVC(kernel="poly", degree=5, coef0=1.0).fit(ROWS[:200], TWO)
    made = quantized(model, 16)
    huge = ASKED[:3] * 1e80
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(made.predict(huge), made.restore().predict(huge))
    assert restored_asked(made)
