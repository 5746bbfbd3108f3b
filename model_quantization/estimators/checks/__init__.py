"""State that native code trusts blindly, checked before an object is made of it.

scikit-learn's trees, k-d trees, clusters and support vector machines, and scipy's sparse matrices,
follow the indices and sizes in their state without looking: a wrong one crashes or hangs the
process. An estimator checks rows against its own `n_features_in_` and hands them to its trees
unseen, so those are compared with it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model_quantization.estimators.checks.clusters import check_centers
from model_quantization.estimators.checks.machines import check_spline, check_support
from model_quantization.estimators.checks.matrices import (
    check_blocks,
    check_coordinates,
    check_csc,
    check_csr,
    check_lists,
)
from model_quantization.estimators.checks.search_trees import check_neighbors
from model_quantization.estimators.checks.trees import (
    check_boosting,
    check_forest,
    check_histogram,
    check_isolation,
    check_predictor,
    check_tree,
    check_tree_owner,
)
from model_quantization.estimators.checks.vocabularies import check_hashing, check_vocabulary
from model_quantization.graph.values import fitting
from model_quantization.loading.pickles.search_trees import (
    check_ball_tree,
    check_box_tree,
    check_metric,
)

__all__ = ["check_state"]


def check_state(
    type_name: str, args: list[Any], state: Any, path: str, *, compiled: bool = True
) -> None:
    """Check the state of a class that has a validator; others pass.

    With `compiled=False` the links of trees are not followed, for which there is a kernel: where
    a child process that may not write a kernel's cache takes a live model apart.

    Raises
    ------
    SemanticError
        An index out of range, a cycle, sizes that do not fit each other.
    """
    validator = _VALIDATORS.get(type_name)
    if validator is None and "._dist_metrics:" in type_name and state is not None:
        validator = check_metric
    if validator is not None and (compiled or validator not in _BY_KERNEL):
        with fitting(f"the state of {type_name} has another shape", path):
            validator(args, state, path)


_Validator = Callable[[list[Any], Any, str], None]
_ENSEMBLE = "sklearn.ensemble."
_HISTOGRAM = f"{_ENSEMBLE}_hist_gradient_boosting."
_RESTORED = "model_quantization.estimators.slim_trees:"


_BY_KERNEL = frozenset({check_tree, check_predictor})


def _named(validator: _Validator, module: str, *names: str) -> dict[str, _Validator]:
    return dict.fromkeys((f"{module}{name}" for name in names), validator)


_VALIDATORS: dict[str, _Validator] = {
    **_named(check_tree, "sklearn.tree._tree:", "Tree"),
    **_named(check_tree, _RESTORED, "RestoredTree", "RestoredLeaves"),
    **_named(check_predictor, f"{_HISTOGRAM}predictor:", "TreePredictor"),
    **_named(check_predictor, _RESTORED, "RestoredPredictor"),
    **_named(check_csr, "scipy.sparse._csr:", "csr_matrix", "csr_array"),
    **_named(check_csc, "scipy.sparse._csc:", "csc_matrix", "csc_array"),
    **_named(check_box_tree, "sklearn.neighbors._kd_tree:", "KDTree", "KDTree64", "KDTree32"),
    **_named(
        check_neighbors,
        "sklearn.neighbors._classification:",
        "KNeighborsClassifier",
        "RadiusNeighborsClassifier",
    ),
    **_named(
        check_neighbors,
        "sklearn.neighbors._regression:",
        "KNeighborsRegressor",
        "RadiusNeighborsRegressor",
    ),
    **_named(
        check_neighbors,
        "sklearn.neighbors._graph:",
        "KNeighborsTransformer",
        "RadiusNeighborsTransformer",
    ),
    **_named(check_neighbors, "sklearn.neighbors._unsupervised:", "NearestNeighbors"),
    **_named(check_neighbors, "sklearn.neighbors._lof:", "LocalOutlierFactor"),
    **_named(check_blocks, "scipy.sparse._bsr:", "bsr_matrix", "bsr_array"),
    **_named(check_coordinates, "scipy.sparse._coo:", "coo_matrix", "coo_array"),
    **_named(check_lists, "scipy.sparse._lil:", "lil_matrix", "lil_array"),
    **_named(check_spline, "scipy.interpolate._bsplines:", "BSpline"),
    **_named(
        check_ball_tree, "sklearn.neighbors._ball_tree:", "BallTree", "BallTree64", "BallTree32"
    ),
    **_named(
        check_tree_owner,
        "sklearn.tree._classes:",
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreeClassifier",
        "ExtraTreeRegressor",
    ),
    **_named(
        check_forest,
        f"{_ENSEMBLE}_forest:",
        "RandomForestClassifier",
        "RandomForestRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "RandomTreesEmbedding",
    ),
    **_named(
        check_boosting,
        f"{_ENSEMBLE}_gb:",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
    ),
    **_named(check_isolation, f"{_ENSEMBLE}_iforest:", "IsolationForest"),
    **_named(
        check_histogram,
        f"{_HISTOGRAM}gradient_boosting:",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
    ),
    **_named(check_centers, "sklearn.cluster._kmeans:", "KMeans", "MiniBatchKMeans"),
    **_named(check_centers, "sklearn.cluster._bisect_k_means:", "BisectingKMeans"),
    **_named(
        check_vocabulary, "sklearn.feature_extraction.text:", "CountVectorizer", "TfidfVectorizer"
    ),
    **_named(check_hashing, "sklearn.feature_extraction.text:", "HashingVectorizer"),
    **_named(check_hashing, "sklearn.feature_extraction._hash:", "FeatureHasher"),
    **_named(check_vocabulary, "sklearn.feature_extraction._dict_vectorizer:", "DictVectorizer"),
    **_named(check_support, "sklearn.svm._classes:", "SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"),
}
