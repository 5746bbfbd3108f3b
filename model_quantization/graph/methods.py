"""The public methods of a model: read once from the original, kept in the artifact."""

from __future__ import annotations

from typing import Any

from model_quantization.records import Record
from model_quantization.values import Value

PUBLIC_METHODS: tuple[str, ...] = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_joint_log_proba",
    "decision_function",
    "score_samples",
    "transform",
    "inverse_transform",
    "score",
    "apply",
    "decision_path",
    "staged_predict",
    "staged_predict_proba",
    "staged_decision_function",
    "staged_score",
    "kneighbors",
    "kneighbors_graph",
    "radius_neighbors",
    "radius_neighbors_graph",
    "get_feature_names_out",
    "sample",
    "sample_y",
    "error_norm",
    "mahalanobis",
    "get_covariance",
    "get_precision",
    "aic",
    "bic",
    "perplexity",
    "get_support",
    "build_analyzer",
    "build_preprocessor",
    "build_tokenizer",
    "decode",
    "fit_transform",
    "fit_predict",
    "partial_fit",
    "correct_covariance",
    "reweight_covariance",
    "get_depth",
    "get_n_leaves",
    "cost_complexity_pruning_path",
    "sparsify",
    "densify",
    "get_indices",
    "get_shape",
    "get_submatrix",
    "get_metadata_routing",
    "set_output",
)
# An artifact cannot be fitted: only the original has these.
FITTING_METHODS = frozenset({"fit_transform", "fit_predict", "partial_fit", "sparsify", "densify"})


# Tables have methods of these names, and are no models.
_TABLES = frozenset({"pandas", "polars"})


class PublicMethods(Value, Record, frozen=True):
    """The public methods and the task of one estimator.

    Attributes
    ----------
    methods : tuple of str
        Names, in the order of `PUBLIC_METHODS`.
    task : str
        The task of the estimator: see `task_of`.
    """

    methods: tuple[str, ...]
    task: str


def public_methods_of(model: Any) -> PublicMethods:
    """Return the methods that a fitted estimator exposes, and its task."""
    return PublicMethods(
        tuple(
            name
            for name in PUBLIC_METHODS
            if name not in FITTING_METHODS and callable(method_of(model, name))
        ),
        task_of(model),
    )


def task_of(model: Any) -> str:
    """Return `classification`, `regression`, `cluster`, `outlier` or `transform`."""
    kind = getattr(model, "_estimator_type", None)
    tags = getattr(model, "__sklearn_tags__", None)
    if kind is None and tags is not None:
        try:
            kind = tags().estimator_type
        except (AttributeError, TypeError):
            kind = None
    names = {
        "classifier": "classification",
        "regressor": "regression",
        "clusterer": "cluster",
        "outlier_detector": "outlier",
        "density_estimator": "density",
        "DensityEstimator": "density",  # before scikit-learn 1.7
    }
    if kind in names:
        return names[kind]
    if callable(method_of(model, "predict_proba")) and hasattr(model, "classes_"):
        return "classification"
    return "transform" if callable(method_of(model, "transform")) else "auto"


def is_estimator(value: Any) -> bool:
    """Whether an object is a fitted estimator, of scikit-learn or with its interface."""
    if isinstance(value, type) or type(value).__module__.partition(".")[0] in _TABLES:
        return False
    return any(
        callable(method_of(value, name)) for name in ("predict", "transform", "decode")
    ) or all(callable(method_of(value, name)) for name in ("fit", "get_params"))


def method_of(model: Any, name: str) -> Any:
    """The method of this name; None if the fitted model does not have it."""
    # `available_if` raises AttributeError; a meta-estimator may raise what its inner one does.
    try:
        return getattr(model, name, None)
    except (ValueError, TypeError, NotImplementedError, KeyError, IndexError):
        return None
