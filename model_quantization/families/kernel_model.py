"""Models of similarities to all training rows: kernel ridge, kernel PCA and Gaussian processes.

Their numbers are rounded by the recipe as those of an unknown model are: what they mean does not
say which of them tolerate more.
"""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Component, Example, Family
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.schemes.scheme import Role, Slot

_RIDGE = "sklearn.kernel_ridge:KernelRidge"
_COMPONENTS = "sklearn.decomposition._kernel_pca:KernelPCA"
_REGRESSOR = "sklearn.gaussian_process._gpr:GaussianProcessRegressor"
_CLASSIFIER = "sklearn.gaussian_process._gpc:GaussianProcessClassifier"
_BINARY = "sklearn.gaussian_process._gpc:_BinaryGaussianProcessClassifierLaplace"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Sums over the training rows in one pass, or the calls that scikit-learn makes."""
    from model_quantization.families.shared import kernel_models, processes

    makers = {
        _RIDGE: kernel_models.ridge,
        _COMPONENTS: kernel_models.components,
        _REGRESSOR: processes.regressor,
        _CLASSIFIER: processes.classifier,
        _BINARY: processes.binary_classifier,
    }
    return makers[component.type](component, exact)


def examples() -> Iterable[Example]:
    """Ridges and components of each kernel; processes with sums and products of them."""
    import numpy as np
    from sklearn.datasets import make_classification
    from sklearn.decomposition import KernelPCA
    from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import (
        RBF,
        ConstantKernel,
        ExpSineSquared,
        Matern,
        RationalQuadratic,
        WhiteKernel,
    )
    from sklearn.kernel_ridge import KernelRidge

    rows, labels = make_classification(
        120, 6, n_informative=4, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    two = np.column_stack([rows[:, 0] + labels, rows[:, 1] ** 2])
    yield Example("ridge", KernelRidge(kernel="rbf", gamma=0.1).fit(rows, two[:, 0]), rows)
    yield Example("cosine ridge", KernelRidge(kernel="cosine").fit(rows, two), rows)
    yield Example("components", KernelPCA(5, kernel="rbf").fit(rows), rows)
    kernel = ConstantKernel(2.0) * RBF(np.linspace(1, 3, 6)) + WhiteKernel(0.1)
    process = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None, normalize_y=True)
    yield Example("process", process.fit(rows, two[:, 0]), rows)
    kernel = Matern(2.0, nu=1.5) + RationalQuadratic(1.5, 0.7) * ExpSineSquared(2.0, 3.0)
    several = GaussianProcessRegressor(kernel, alpha=0.2, optimizer=None)
    yield Example("process of several", several.fit(rows, two), rows)
    binary = GaussianProcessClassifier(Matern(1.5, nu=0.5), optimizer=None)
    yield Example("binary process", binary.fit(rows, labels > 0), rows)
    yield Example(
        "process for each class", GaussianProcessClassifier(optimizer=None).fit(rows, labels), rows
    )


FAMILY = Family(
    name="kernel_model",
    types=frozenset({_RIDGE, _COMPONENTS, _REGRESSOR, _CLASSIFIER, _BINARY}),
    slots={
        # Half of it is zeros, and each class of a classifier keeps the rows of all.
        "L_": Slot(Role.PARAMETER, channel_axis=-1),
        "X_train_": Slot(Role.PARAMETER, channel_axis=-1, never_changed=True),
        "*": Slot(Role.PARAMETER, channel_axis=-1),
    },
    lower=lower,
    examples=examples,
)
