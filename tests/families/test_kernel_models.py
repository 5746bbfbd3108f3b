"""Models of similarities to training rows: deviations, covariances, kernels, and what cancels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_quantization.api import ModelQuantizer
from model_quantization.families.shared.kernel_sums import KernelSums
from model_quantization.predictor.quantized_model import QuantizedModel

ROWS, _ = make_classification(150, 5, n_informative=4, n_redundant=0, random_state=0)
KNOWN, ASKED = ROWS[:60], ROWS[60:]
TARGETS = np.column_stack([np.sin(KNOWN[:, 0]), KNOWN[:, 1] * KNOWN[:, 2]])
PROCESSES = [
    RBF(1.5),
    RBF(np.linspace(1, 3, 5)) + WhiteKernel(0.2),
    ConstantKernel(2.0) * Matern(1.5, nu=0.5),
    Matern(1.5, nu=1.5) ** 2,
    Matern(np.linspace(1, 2, 5), nu=2.5) ** 0.5,
    Matern(1.5, nu=np.inf),
    RationalQuadratic(1.2, 0.7) + DotProduct(0.5),
    DotProduct(0.5) * ExpSineSquared(1.1, 2.0),
]


def quantized(model: Any, bit_depth: int | str) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


def _parts(answer: Any) -> tuple[Any, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


@pytest.mark.parametrize("kernel", PROCESSES, ids=str)
def test_every_kernel_of_a_process(kernel: Any) -> None:
    model = GaussianProcessRegressor(kernel, alpha=500.0, optimizer=None).fit(KNOWN, TARGETS)
    for bit_depth in (32, "exact"):
        made = quantized(model, bit_depth)
        restored = made.restore()
        assert made.fast_methods == ("predict",)
        for options in ({}, {"return_std": True}, {"return_cov": True}):
            mine, theirs = (one.predict(ASKED, **options) for one in (made, restored))
            for one, other in zip(_parts(mine), _parts(theirs), strict=True):
                if options or bit_depth == "exact":
                    np.testing.assert_array_equal(one, other)
                else:
                    np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * np.abs(other).max())
        assert made._restored is None


def test_options_reach_a_process_behind_a_scaler() -> None:
    process = GaussianProcessRegressor(RBF(1.5), alpha=0.1, normalize_y=True, optimizer=None)
    model = make_pipeline(StandardScaler(), process).fit(KNOWN, TARGETS[:, 0])
    made = quantized(model, "exact")
    for options in ({"return_std": True}, {"return_cov": True}):
        mine, theirs = (one.predict(ASKED, **options) for one in (made, made.restore()))
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    assert made._restored is None
    assert made.predict(X=ASKED, return_std=True)[1].shape == (len(ASKED),)
    assert made._restored is None
    with pytest.raises(RuntimeError, match="At most one"):
        made.predict(ASKED, return_std=True, return_cov=True)
    with pytest.raises(TypeError, match="nonsense"):
        made.predict(ASKED, nonsense=True)


def test_a_deviation_that_scikit_learn_warns_of_is_its_own() -> None:
    model = GaussianProcessRegressor(RBF(300.0), alpha=1e-9, optimizer=None)
    model.fit(KNOWN, KNOWN[:, 0]).L_ *= 0.5  # its rounding alone would not suffice everywhere
    made = quantized(model, "exact")
    with pytest.warns(UserWarning, match="variances smaller than 0"):
        mine = made.predict(KNOWN, return_std=True)
    with pytest.warns(UserWarning, match="variances smaller than 0"):
        theirs = model.predict(KNOWN, return_std=True)
    np.testing.assert_array_equal(mine[1], theirs[1])


def test_large_coefficients_that_cancel_are_added_up_as_scikit_learn_does() -> None:
    model = GaussianProcessRegressor(RBF(30.0), alpha=1e-12, optimizer=None)
    model.fit(KNOWN[:20], TARGETS[:20, 0])
    made = quantized(model, 32)
    np.testing.assert_array_equal(made.predict(ASKED), made.restore().predict(ASKED))
    gentle = GaussianProcessRegressor(RBF(1.0), alpha=0.5, optimizer=None).fit(KNOWN, TARGETS)
    for process, steady in ((model, False), (gentle, True)):
        from model_quantization.estimators.capture import capture
        from model_quantization.families.shared.process_kernels import kernel_of_node
        from model_quantization.graph.growing import GrowingArrays
        from model_quantization.graph.nodes import attributes
        from model_quantization.trust import TrustPolicy

        graph = capture(process, TrustPolicy())
        kernel = kernel_of_node(attributes(graph.root)["kernel_"], GrowingArrays(graph.arrays))
        assert kernel is not None
        alpha = process.alpha_.reshape(len(process.X_train_), -1)
        assert KernelSums(kernel, process.X_train_, alpha).is_steady == steady


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (KernelRidge(kernel="laplacian"), "its kernel has no fast form"),
        (KernelRidge(kernel="poly", degree=2.5, coef0=9.0), "its kernel has no fast form"),
        (KernelPCA(2, kernel="precomputed"), "its kernel has no fast form"),
        (
            GaussianProcessRegressor(PairwiseKernel(), alpha=1.0, optimizer=None),
            "its kernel has no fast form, or it was not fitted",
        ),
        (
            GaussianProcessRegressor(Matern(1.0, nu=0.7), optimizer=None),
            "its kernel has no fast form, or it was not fitted",
        ),
    ],
    ids=str,
)
def test_kernels_that_are_not_known_are_named(model: Any, reason: str) -> None:
    rows = np.abs(KNOWN)
    square = model.get_params().get("kernel") == "precomputed"
    fitted = model.fit(rows @ rows.T if square else rows, TARGETS[:, 0])
    found = quantized(fitted, "exact").explain().methods
    assert found and all(not one.fast and one.why.startswith(reason) for one in found)


@pytest.mark.parametrize("kernel", ["rbf", "poly", "linear", "sigmoid", "cosine"])
def test_components_are_centred_in_one_pass(kernel: str) -> None:
    model = KernelPCA(4, kernel=kernel, gamma=0.05).fit(KNOWN + 3.0)
    made = quantized(model, 16)
    expected = made.restore().transform(ASKED + 3.0)
    np.testing.assert_allclose(
        made.transform(ASKED + 3.0), expected, rtol=0, atol=1e-9 * np.abs(expected).max()
    )
    assert made._restored is None


@pytest.mark.parametrize("bit_depth", [16, "exact"])
def test_a_process_for_each_pair_of_classes(bit_depth: Any) -> None:
    labels = np.array(["a", "b", "c"])[np.digitize(KNOWN[:, 0], [-0.5, 0.5])]
    model = GaussianProcessClassifier(multi_class="one_vs_one", optimizer=None)
    made = quantized(model.fit(KNOWN, labels), bit_depth)
    assert made.fast_methods == ("predict",)
    np.testing.assert_array_equal(made.predict(ASKED), made.restore().predict(ASKED))
    assert made._restored is None
    with pytest.raises(ValueError, match="one_vs_one"):
        made.predict_proba(ASKED)
