"""Projections: rows times the directions that a decomposition found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.forms import Projection
from model_quantization.families.lowered import Integers, Lowered, NotFast
from model_quantization.families.shared.steps import Transform, number_step, projection
from model_quantization.kernels.linear.similarities import SIMILARITIES, similarity
from model_quantization.schemes.scheme import Role, Slot

_PCA = "sklearn.decomposition._pca:PCA"
_INCREMENTAL = "sklearn.decomposition._incremental_pca:IncrementalPCA"
_SVD = "sklearn.decomposition._truncated_svd:TruncatedSVD"
_ICA = "sklearn.decomposition._fastica:FastICA"
_FACTORS = "sklearn.decomposition._factor_analysis:FactorAnalysis"
_RANDOM = "sklearn.random_projection:GaussianRandomProjection"
_COSINES = "sklearn.kernel_approximation:RBFSampler"
_NYSTROEM = "sklearn.kernel_approximation:Nystroem"
_HIDDEN = "sklearn.neural_network._rbm:BernoulliRBM"
_MODULES = {
    "decomposition._nmf": ("NMF", "MiniBatchNMF"),
    "decomposition._sparse_pca": ("SparsePCA", "MiniBatchSparsePCA"),
    "decomposition._dict_learning": ("DictionaryLearning", "MiniBatchDictionaryLearning"),
}
# Every component has a scale of its own.
_DIRECTIONS = Slot(Role.BASIS, channel_axis=0)
_FREQUENCIES = Slot(
    Role.BASIS,
    channel_axis=0,
    fewest_bits=16,
    note="frequencies of cosines: 8 bits would move an angle of many turns by a part of one",
)
_DOUBLE = "d"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The projection as scikit-learn computes it, and as one linear map to be folded in."""
    make = _MAKERS.get(component.type)
    if make is None:
        return NotFast("its rows are answered by an optimization of their own")
    return make(component, exact)


def _projecting(
    component: Component,
    transform: Transform,
    form: Projection,
    integers: Integers = "float64",
    of_sparse: Array | None = None,
) -> Lowered:
    n_features, n_columns = form.weights.shape
    return number_step(
        component,
        transform,
        by="a projection",
        n_features=n_features,
        n_columns=n_columns,
        integers=integers,
        form=form,
        of_sparse=of_sparse,
    )


def _centred(component: Component, exact: bool) -> Lowered | NotFast:
    """PCA: the projected mean is taken from the projected rows."""
    directions, mean = component["components_"], component.get("mean_")
    if not isinstance(mean, np.ndarray):
        return NotFast("it has no mean")
    spread = _spread(component["explained_variance_"]) if component.get("whiten") else None
    centre = mean.reshape(1, -1)

    def transform(rows: Array) -> Array:
        found: Array = rows @ directions.T
        found -= centre @ directions.T
        if spread is not None:
            found /= spread
        return found

    scale = 1.0 if spread is None else 1.0 / spread
    weights = directions.T * scale
    return _projecting(component, transform, projection(weights, -(mean @ weights), exact))


def _spread(variances: Array) -> Array:
    spread = np.sqrt(variances)
    least = np.finfo(spread.dtype).eps
    spread[spread < least] = least
    return spread


def _plain(component: Component, exact: bool) -> Lowered | NotFast:
    """Rows times directions, and nothing else."""
    directions = component["components_"]
    return _projecting(
        component,
        lambda rows: rows @ directions.T,
        projection(directions.T, 0.0, exact),
        integers="kept" if exact and component.type == _SVD else "float64",
        of_sparse=directions.T,
    )


def _unmixed(component: Component, exact: bool) -> Lowered | NotFast:
    """FastICA: the mean is taken from the rows."""
    directions, mean = component["components_"], component.get("mean_")
    whitened = bool(component.get("whiten"))
    if whitened and not isinstance(mean, np.ndarray):
        return NotFast("it has no mean")

    def transform(rows: Array) -> Array:
        if not whitened:
            return np.asarray(np.dot(rows, directions.T))
        centred = rows.copy(order="K")
        centred -= mean
        return np.asarray(np.dot(centred, directions.T))

    bias = -(directions @ mean) if whitened else 0.0
    return _projecting(component, transform, projection(directions.T, bias, exact))


def _factors(component: Component, exact: bool) -> Lowered | NotFast:
    """FactorAnalysis: the expected factors of each row."""
    directions, mean = component["components_"], component["mean_"]
    precise = directions / component["noise_variance_"]

    @cache
    def inverse() -> Array:
        from scipy.linalg import inv  # numpy's has other bits

        found: Array = inv(np.eye(len(directions)) + np.dot(precise, directions.T))
        return found

    def transform(rows: Array) -> Array | None:
        try:
            return np.asarray(np.dot(np.dot(rows - mean, precise.T), inverse()))
        except ValueError:  # there is no inverse: scikit-learn raises its own error
            return None

    form = None
    if not exact:
        try:
            weights = precise.T @ inverse()
        except ValueError as error:
            return NotFast(f"its covariance has no inverse ({error})")
        form = projection(weights, -(mean @ weights), exact)
    return number_step(
        component,
        transform,
        by="a projection",
        n_features=len(mean),
        n_columns=len(directions),
        form=form,
    )


def _cosines(component: Component, exact: bool) -> Lowered | NotFast:
    """RBFSampler: cosines of random directions."""
    weights, offset = component["random_weights_"], component["random_offset_"]
    count = component["n_components"]
    if count != weights.shape[1] or count < 1:
        return NotFast("it has not as many directions as it says")
    factor = (2.0 / count) ** 0.5

    def transform(rows: Array) -> Array:
        found: Array = rows @ weights
        found += offset
        np.cos(found, found)
        found *= factor
        return found

    return number_step(
        component,
        transform,
        by="cosines of projections",
        n_features=len(weights),
        n_columns=weights.shape[1],
        integers="kept" if exact else "float64",
    )


def _nystroem(component: Component, exact: bool) -> Lowered | NotFast:
    """Nystroem: similarities to some of the training rows, mixed."""
    known, mixing = component["components_"], component["normalization_"]
    kernel = component.get("kernel")
    if not isinstance(known, np.ndarray) or known.dtype.char != _DOUBLE:
        return NotFast("the rows that it keeps are sparse, or no float64")
    if kernel not in SIMILARITIES or component.get("kernel_params") is not None:
        return NotFast("its kernel has no fast form")
    names = ("gamma", "coef0", "degree")
    asked = {name: value for name in names if (value := component.get(name)) is not None}
    similar = similarity(kernel, known, **asked)

    def transform(rows: Array) -> Array | None:
        # Of float32 rows scikit-learn takes distances in blocks of its own.
        return similar(rows) @ mixing.T if rows.dtype.char == _DOUBLE else None

    return number_step(
        component,
        transform,
        by=f"{kernel} similarities to {len(known)} rows",
        n_features=known.shape[1],
        n_columns=len(mixing),
    )


def _hidden(component: Component, exact: bool) -> Lowered | NotFast:
    """BernoulliRBM: how likely each hidden unit is."""
    directions, bias = component["components_"], component["intercept_hidden_"]
    if bias.shape != directions.shape[:1]:
        return NotFast("its biases do not fit its directions")

    def transform(rows: Array) -> Array:
        from scipy.special import expit

        found = rows @ directions.T
        found += bias
        return np.asarray(expit(found, out=found))

    return number_step(
        component,
        transform,
        by="hidden units",
        n_features=directions.shape[1],
        n_columns=len(directions),
    )


_MAKERS: dict[str, Callable[[Component, bool], Lowered | NotFast]] = {
    _PCA: _centred,
    _INCREMENTAL: _centred,
    _SVD: _plain,
    _RANDOM: _plain,
    _ICA: _unmixed,
    _FACTORS: _factors,
    _COSINES: _cosines,
    _NYSTROEM: _nystroem,
    _HIDDEN: _hidden,
}


def examples() -> Iterable[Example]:
    """Centred, uncentred and nonnegative; whitened, unmixed, random and of similarities."""
    from sklearn.decomposition import (
        NMF,
        PCA,
        FactorAnalysis,
        FastICA,
        IncrementalPCA,
        TruncatedSVD,
    )
    from sklearn.kernel_approximation import Nystroem, RBFSampler
    from sklearn.neural_network import BernoulliRBM
    from sklearn.random_projection import GaussianRandomProjection

    rows = np.abs(np.random.default_rng(0).normal(size=(120, 40)))
    yield Example("pca", PCA(6, random_state=0).fit(rows), rows)
    yield Example("svd", TruncatedSVD(6, random_state=0).fit(rows), rows)
    yield Example("nmf", NMF(4, random_state=0, max_iter=2000, tol=1e-3).fit(rows), rows)
    yield Example("whitened", PCA(6, whiten=True).fit(rows), rows)
    yield Example("incremental", IncrementalPCA(5).fit(rows), rows)
    mixed = rows + np.random.default_rng(1).laplace(size=rows.shape) ** 3
    unmixed = FastICA(3, random_state=0, max_iter=2000, tol=0.01)
    yield Example("unmixed", unmixed.fit(mixed), rows)
    yield Example("factors", FactorAnalysis(4, random_state=0).fit(rows), rows)
    yield Example("random", GaussianRandomProjection(8, random_state=0).fit(rows), rows)
    hidden = BernoulliRBM(8, n_iter=2, random_state=0)
    yield Example("hidden units", hidden.fit(rows / rows.max()), rows)
    yield Example("cosines", RBFSampler(n_components=24, random_state=0).fit(rows), rows)
    for kernel in SIMILARITIES:
        step = Nystroem(kernel, gamma=0.02, n_components=16, random_state=0)
        if kernel in ("linear", "cosine"):
            step.set_params(gamma=None)
        yield Example(f"{kernel} similarities", step.fit(rows), rows)


FAMILY = Family(
    name="decomposition",
    types=frozenset(_MAKERS)
    | {f"sklearn.{module}:{name}" for module, names in _MODULES.items() for name in names},
    slots=slots_for(("components_", "mixing_"), _DIRECTIONS)
    | slots_for(("random_weights_",), _FREQUENCIES)
    | slots_for(
        ("mean_", "noise_variance_", "explained_variance_*", "singular_values_", "random_offset_"),
        Slot(Role.STATISTIC),
    ),
    dropped={
        "_inner_stats": "running sums of training; only further training reads them",
        "error_": "the error at each step of training",
        "h_samples_": "samples of the hidden units; only further training reads them",
    },
    lower=lower,
    examples=examples,
)
