"""Which shapes the arrays of a component have to each other: checked before it is lowered.

A fast predictor takes the shapes of fitted arrays for granted, and an artifact may have been
written by an attacker. Each contract says in letters which lengths must agree: `C` classes, `F`
features, `_` any length. The first array that has a letter says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isfinite, prod
from typing import Any, Final, NoReturn

import numpy as np

from model_quantization.errors import SemanticError
from model_quantization.families.family import Component

_UNPROVEN: Final = 1 << 20  # columns of an estimator that has no array of one for each
_LONGEST_NGRAM: Final = 1 << 12
_CATEGORIES: Final = 256  # of a feature of histogram boosting: one bit each


def check_shapes(component: Component, family: str) -> None:
    """Pass only for a component whose arrays fit each other, as far as a contract says how.

    Raises
    ------
    SemanticError
        Naming the array, the shape that the others ask for, and its own.
    """
    contract = _CONTRACTS.get(component.type)
    if contract is not None:
        _check(component, contract)
    own = _check_linear if family == "linear" else _OWN_CHECKS.get(component.type)
    if own is not None:
        own(component)


def _check(component: Component, contract: Mapping[str, str]) -> None:
    width = component.get("n_features_in_")
    known = {"F": width} if type(width) is int else {}
    proven = False
    for name, letters in contract.items():
        shape = component.shape(name)
        if shape is None:
            continue
        expected = tuple(known.get(letter, -1) for letter in letters)
        if len(shape) != len(letters) or any(
            want not in (-1, have) for want, have in zip(expected, shape, strict=True)
        ):
            asked = ", ".join("any" if want < 0 else str(want) for want in expected)
            _refuse(component, name, f"({asked})", str(shape))
        known |= {
            letter: have for letter, have in zip(letters, shape, strict=True) if letter != "_"
        }
        proven |= "F" in letters
    asks = any("F" in letters for letters in contract.values())
    # Where only a number gives the width, it is bounded: arrays of that length are allocated.
    if "F" in known and asks and not proven and not 0 <= known["F"] <= _UNPROVEN:
        _refuse(component, "n_features_in_", f"at most {_UNPROVEN:,}", f"{known['F']:,}")


def _refuse(component: Component, name: str, expected: str, got: str) -> NoReturn:
    raise SemanticError(
        f"{name} does not fit the rest of its estimator",
        where=component.path or "model",
        expected=expected,
        got=got[:120],
        do="quantize the original again; this artifact was not written by this library",
    )


def _contracts(table: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The contract of each class of a table: `module: class class | array letters, ...`."""
    for line in table.strip().replace("\n    ", " ").splitlines():
        classes, _, arrays = line.partition("|")
        module, *names = classes.replace(":", "").split()
        contract = dict(array.split() for array in arrays.split(","))
        for name in names:
            yield f"sklearn.{module}:{name}", contract


_CONTRACTS: Final = dict(
    _contracts(
        """
naive_bayes: GaussianNB | theta_ CF, var_ CF, class_prior_ C, classes_ C
naive_bayes: BernoulliNB ComplementNB MultinomialNB |
    feature_log_prob_ CF, class_log_prior_ C, classes_ C
naive_bayes: CategoricalNB | class_log_prior_ C, classes_ C
discriminant_analysis: QuadraticDiscriminantAnalysis | means_ CF, priors_ C, classes_ C
preprocessing._data: StandardScaler | mean_ F, scale_ F
preprocessing._data: MinMaxScaler | scale_ F, min_ F
preprocessing._data: MaxAbsScaler | scale_ F
preprocessing._data: RobustScaler | center_ F, scale_ F
preprocessing._data: PowerTransformer | lambdas_ F
preprocessing._data: QuantileTransformer | quantiles_ QF, references_ Q
multiclass: _ConstantPredictor | y_ _
decomposition._pca: PCA | components_ KF, mean_ F, explained_variance_ K
decomposition._incremental_pca: IncrementalPCA | components_ KF, mean_ F, explained_variance_ K
decomposition._truncated_svd: TruncatedSVD | components_ KF
random_projection: GaussianRandomProjection | components_ KF
decomposition._fastica: FastICA | components_ KF, mean_ F
decomposition._factor_analysis: FactorAnalysis | components_ KF, mean_ F, noise_variance_ F
kernel_approximation: RBFSampler | random_weights_ FK, random_offset_ K
kernel_approximation: Nystroem | components_ KF, normalization_ KK
neural_network._rbm: BernoulliRBM | components_ KF, intercept_hidden_ K
cross_decomposition._pls: PLSRegression PLSCanonical CCA |
    _x_mean F, _x_std F, x_rotations_ FK, coef_ TF, intercept_ T
covariance._elliptic_envelope: EllipticEnvelope | location_ F, precision_ FF
cluster._kmeans: KMeans MiniBatchKMeans | cluster_centers_ KF
cluster._bisect_k_means: BisectingKMeans | cluster_centers_ KF
cluster._mean_shift: MeanShift | cluster_centers_ KF
cluster._affinity_propagation: AffinityPropagation | cluster_centers_ KF
cluster._birch: Birch | subcluster_centers_ KF, subcluster_labels_ K
mixture._gaussian_mixture: GaussianMixture | means_ KF, weights_ K
mixture._bayesian_mixture: BayesianGaussianMixture | means_ KF, weights_ K
neighbors._nearest_centroid: NearestCentroid |
    centroids_ CF, classes_ C, class_prior_ C, within_class_std_dev_ F
neighbors._lof: LocalOutlierFactor | _fit_X NF, _lrd N
kernel_ridge: KernelRidge | X_fit_ NF
decomposition._kernel_pca: KernelPCA | X_fit_ NF, eigenvectors_ NK, eigenvalues_ K
gaussian_process._gpr: GaussianProcessRegressor | X_train_ NF, L_ NN
gaussian_process._gpc: _BinaryGaussianProcessClassifierLaplace |
    X_train_ NF, y_train_ N, pi_ N, W_sr_ N, L_ NN, classes_ C
dummy: DummyClassifier | classes_ C, class_prior_ C
semi_supervised._label_propagation: LabelPropagation LabelSpreading |
    X_ NF, label_distributions_ NC, classes_ C
impute._base: SimpleImputer | statistics_ F
impute._knn: KNNImputer | _fit_X NF, _mask_fit_X NF, _valid_mask F
feature_selection._univariate_selection: SelectKBest SelectPercentile SelectFpr SelectFdr
    SelectFwe GenericUnivariateSelect |
    scores_ F, pvalues_ F
feature_selection._variance_threshold: VarianceThreshold | variances_ F
feature_selection._rfe: RFE RFECV | support_ F
feature_selection._sequential: SequentialFeatureSelector | support_ F
"""
    )
)


# Contracts that letters cannot say.


def _check_linear(component: Component) -> None:
    coef = component.shape("coef_")
    if coef is None and isinstance(component.get("coef_"), Component):  # after `sparsify`
        coef = tuple(component.get("coef_").get("_shape", ()))
    if coef is None:
        return
    outputs = coef[0] if len(coef) == 2 else 1
    width = component.get("n_features_in_")
    if len(coef) not in (1, 2) or (type(width) is int and coef[-1] != width):
        _refuse(component, "coef_", f"{width} columns", str(coef))
    bias = component.shape("intercept_")
    if bias not in (None, (), (outputs,)):
        _refuse(component, "intercept_", f"({outputs},)", str(bias))
    classes = component.shape("classes_")
    if classes is None or len(coef) != 2 or _is_multilabel(component.get("_label_binarizer")):
        return
    if len(classes) != 1 or classes[0] < 2 or outputs != (1 if classes == (2,) else classes[0]):
        _refuse(component, "classes_", f"as many as {outputs} scores decide for", str(classes))


def _is_multilabel(binarizer: object) -> bool:
    kind = binarizer.get("y_type_", "") if isinstance(binarizer, Component) else ""
    return isinstance(kind, str) and kind.startswith("multilabel")


def _check_categorical_bayes(component: Component) -> None:
    classes = component.shape("classes_")
    tables = component.get("feature_log_prob_")
    width = component.get("n_features_in_")
    if not isinstance(tables, list) or (type(width) is int and len(tables) != width):
        _refuse(component, "feature_log_prob_", f"{width} tables", type(tables).__name__)
    for table in tables:
        shape: tuple[int, ...] = getattr(table, "shape", ())
        if len(shape) != 2 or classes is None or shape[0] != classes[0]:
            _refuse(component, "feature_log_prob_", f"a row for each of {classes}", str(shape))


def _check_rotations(component: Component) -> None:
    classes, means = component.shape("classes_"), component.shape("means_")
    if classes is None or means is None:
        return
    rotations, spreads = component.get("rotations_"), component.get("scalings_")
    for name, parts in (("rotations_", rotations), ("scalings_", spreads)):
        if not isinstance(parts, list) or len(parts) != classes[0]:
            _refuse(component, name, f"one for each of {classes[0]} classes", type(parts).__name__)
    for rotation, spread in zip(rotations, spreads, strict=True):
        shape: tuple[int, ...] = getattr(rotation, "shape", ())
        if len(shape) != 2 or (shape[0], *spread.shape) != (means[1], shape[1]):
            _refuse(component, "rotations_", f"({means[1]}, {spread.shape})", str(shape))


def _check_histogram(component: Component) -> None:
    """Categories are bits of a set: whole numbers from 0 to 255."""
    _check_boosting(component)
    mapper = component.get("_bin_mapper")
    flags = mapper.get("is_categorical_") if mapper is not None else None
    edges = mapper.get("bin_thresholds_") if mapper is not None else None
    if flags is None or edges is None:
        return
    for at in np.flatnonzero(np.asarray(flags)).tolist():
        if at >= len(edges):
            _refuse(component, "bin_thresholds_", f"more than {at} columns", str(len(edges)))
        known = np.asarray(edges[at])
        if known.dtype.kind not in "iuf" or not all(
            isfinite(one) and 0 <= one < _CATEGORIES and one == int(one) for one in known.tolist()
        ):
            _refuse(component, "bin_thresholds_", "categories from 0 to 255", str(known[:8]))


_MULTICLASS: Final = "sklearn.multiclass:"


def _check_one_vs_rest(component: Component) -> None:
    binarizer, parts = component.get("label_binarizer_"), component.get("estimators_")
    if binarizer is None or not isinstance(parts, list):
        return
    classes = binarizer.shape("classes_")
    if classes is None:
        return
    expected = 1 if classes == (2,) and not _is_multilabel(binarizer) else classes[0]
    if len(classes) != 1 or len(parts) != expected:
        _refuse(component, "label_binarizer_", f"classes for {len(parts)} models", str(classes))


def _check_content(component: Component) -> None:
    """A vectorizer that opens files which its callers name is no model to serve."""
    source = component.get("input", "content")
    if source != "content":
        _refuse(component, "input", '"content"', repr(source))
    lengths = component.get("ngram_range", (1, 1))
    if isinstance(lengths, tuple | list) and any(
        type(length) is int and length > _LONGEST_NGRAM for length in lengths
    ):  # memory is taken for each length, before a document is looked at
        _refuse(component, "ngram_range", f"at most {_LONGEST_NGRAM:,}", repr(lengths))


def _check_boosting(component: Component) -> None:
    """One column of sums decides between two classes, several between as many."""
    outputs, classes = component.get("tree_outputs"), component.shape("classes_")
    if type(outputs) is not int:
        return
    if classes is not None and classes != ((2,) if outputs == 1 else (outputs,)):
        _refuse(component, "classes_", f"as many as {outputs} sums decide for", str(classes))
    start = component.shape("_baseline_prediction")
    if start is not None and prod(start) != outputs:
        _refuse(component, "_baseline_prediction", f"{outputs} numbers", str(start))


def _check_layers(component: Component) -> None:
    """Each layer takes what the one before it gives; the last decides between the classes."""
    weights, biases = component.get("coefs_"), component.get("intercepts_")
    if not isinstance(weights, list) or not isinstance(biases, list):
        return
    width = component.get("n_features_in_")
    for place, weight in enumerate(weights):
        shape: tuple[int, ...] = getattr(weight, "shape", ())
        bias = getattr(biases[place], "shape", ()) if place < len(biases) else ()
        if len(shape) != 2 or shape[0] != width or bias != shape[1:]:
            _refuse(component, f"coefs_/{place}", f"({width}, {bias})", str(shape))
        width = shape[1]
    classes = component.shape("classes_")
    if classes is None or _is_multilabel(component.get("_label_binarizer")):
        return
    if classes != ((2,) if width == 1 else (width,)):
        _refuse(component, "classes_", f"as many as {width} outputs decide for", str(classes))


def _check_weighted(component: Component) -> None:
    """Boosting by votes: a class for each, and at least one tree."""
    classes, count = component.shape("classes_"), component.get("n_classes_")
    if classes is not None and type(count) is int and classes != (count,):
        _refuse(component, "classes_", f"({count},)", str(classes))


_TEXT: Final = "sklearn.feature_extraction.text:"
_BOOSTING: Final = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting:"
_OWN_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "sklearn.naive_bayes:CategoricalNB": _check_categorical_bayes,
    "sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis": _check_rotations,
    f"{_BOOSTING}HistGradientBoostingClassifier": _check_histogram,
    f"{_BOOSTING}HistGradientBoostingRegressor": _check_histogram,
    "sklearn.ensemble._gb:GradientBoostingClassifier": _check_boosting,
    "sklearn.ensemble._weight_boosting:AdaBoostClassifier": _check_weighted,
    "sklearn.neural_network._multilayer_perceptron:MLPClassifier": _check_layers,
    "sklearn.neural_network._multilayer_perceptron:MLPRegressor": _check_layers,
    f"{_MULTICLASS}OneVsRestClassifier": _check_one_vs_rest,
    **{
        f"{_TEXT}{name}": _check_content
        for name in ("CountVectorizer", "HashingVectorizer", "TfidfVectorizer")
    },
}
