"""Boosting: losses that were classes of their own, AdaBoost's two algorithms, histograms."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from model_quantization.loading.pickles.migrations.stand_ins import Gone
from model_quantization.loading.pickles.migrations.steps import State, Step, added, renamed

_NAMES: Final = {
    "deviance": "log_loss",
    "ls": "squared_error",
    "least_squares": "squared_error",
    "lad": "absolute_error",
    "least_absolute_deviation": "absolute_error",
    "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss",
    "auto": "log_loss",
}


def _class_loss(state: State) -> Any:
    from sklearn._loss import loss

    n_classes = len(state["classes_"])
    if state["loss"] == "exponential":
        return loss.ExponentialLoss()
    if n_classes == 2:
        return loss.HalfBinomialLoss()
    return loss.HalfMultinomialLoss(n_classes=n_classes)


def _value_loss(state: State) -> Any:
    from sklearn._loss import loss

    level = {"quantile": state.get("alpha", state.get("quantile"))}
    makers: dict[str, tuple[Any, dict[str, Any]]] = {
        "squared_error": (loss.HalfSquaredError, {}),
        "absolute_error": (loss.AbsoluteError, {}),
        "huber": (loss.HuberLoss, level),
        "quantile": (loss.PinballLoss, level),
        "poisson": (loss.HalfPoissonLoss, {}),
        "gamma": (loss.HalfGammaLoss, {}),
    }
    maker, options = makers[state["loss"]]
    return maker(**options)


def _loss_names(state: State) -> None:
    state["loss"] = _NAMES.get(state["loss"], state["loss"])


def _classifier(state: State) -> None:
    _loss_names(state)
    state.pop("loss_", None)
    if "classes_" in state and isinstance(state.get("_loss"), Gone | None):
        state["_loss"] = _class_loss(state)
    if "estimators_" in state:
        state.setdefault("n_trees_per_iteration_", state["estimators_"].shape[1])
        state.setdefault("n_classes_", len(state["classes_"]))


def _centred_start(state: State) -> None:
    """Put the mean that the start lost into the first trees.

    Before 1.4 a model of three and more classes started at log(p); since then at log(p) less its
    mean over the classes. Scores keep their meaning when each first tree adds that mean.
    """
    if not _starts_at_priors(state):
        return
    mean = float(np.mean(np.log(_clipped(np.asarray(state["init_"].class_prior_)))))
    for tree in state["estimators_"][0]:
        tree.tree_.value[...] += mean / state["learning_rate"]


def _uncentred_start(state: State) -> str | None:
    """Where the start is another model's answer, the mean differs from row to row."""
    several = "estimators_" in state and state["estimators_"].shape[1] > 1
    other = several and hasattr(state["init_"], "predict_proba") and not _starts_at_priors(state)
    return "UncentredGradientBoosting" if other else None


def _starts_at_priors(state: State) -> bool:
    fitted = "estimators_" in state and state["estimators_"].shape[1] > 1
    return fitted and type(state.get("init_")).__name__ == "DummyClassifier"


def _clipped(probability: Any) -> Any:
    eps = np.finfo(np.float32).eps
    return np.clip(probability, eps, 1 - eps)


def _regressor(state: State) -> None:
    _loss_names(state)
    state.pop("loss_", None)
    if "estimators_" in state and isinstance(state.get("_loss"), Gone | None):
        state["_loss"] = _value_loss(state)
    if "estimators_" in state:
        state.setdefault("n_trees_per_iteration_", 1)


def _histogram_classifier(state: State) -> None:
    _loss_names(state)
    if "classes_" in state and isinstance(state.get("_loss"), Gone | None):
        state["_loss"] = _class_loss(state)


def _histogram_regressor(state: State) -> None:
    _loss_names(state)
    if "_predictors" in state and isinstance(state.get("_loss"), Gone | None):
        state["_loss"] = _value_loss(state)


def _baseline(state: State) -> None:
    """One row of scores to start from; before 1.1 it was one column of several classes."""
    start = state.get("_baseline_prediction")
    if isinstance(start, np.ndarray) and start.ndim == 2 and start.shape[1] == 1:
        state["_baseline_prediction"] = start.T


def _private_histograms(state: State) -> None:
    renamed("bin_mapper_", "_bin_mapper")(state)
    state.pop("loss_", None)  # the step of 1.1 makes it anew
    if "n_features_" in state:
        width = state.pop("n_features_")
        state.setdefault("n_features_in_", width)
        state.setdefault("_n_features", width)
    state.setdefault("is_categorical_", None)


def _bins_without_categories(state: State) -> None:
    if "bin_thresholds_" in state:
        state.setdefault("is_categorical_", np.zeros(len(state["bin_thresholds_"]), dtype=np.uint8))


def _nodes_with_categories(state: State) -> None:
    """Nodes in the installed form; before 0.24 none had categories."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = state.get("nodes")
    if isinstance(nodes, np.ndarray) and "threshold" in (nodes.dtype.names or ()):
        made = np.zeros(nodes.shape, dtype=PREDICTOR_RECORD_DTYPE)
        for name in nodes.dtype.names or ():
            made["num_threshold" if name == "threshold" else name] = nodes[name]
        state["nodes"] = made
    for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
        state.setdefault(name, np.zeros((0, 8), dtype=np.uint32))


def _by_probabilities(state: State) -> str | None:
    """SAMME.R is the default of every version before 1.6."""
    return "ProbabilityAdaBoost" if state.pop("algorithm", "SAMME.R") == "SAMME.R" else None


def _by_votes(state: State) -> str | None:
    return "VotingAdaBoost" if state.get("algorithm", "SAMME.R") == "SAMME" else None


_GB: Final = "sklearn.ensemble._gb"
_HISTOGRAM: Final = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
_ADA: Final = ("sklearn.ensemble._weight_boosting:AdaBoostClassifier",)

STEPS: Final = (
    Step(
        ("sklearn.ensemble._hist_gradient_boosting.predictor:TreePredictor",),
        "0.24",
        "0.24: histogram boosting splits by categories",
        _nodes_with_categories,
    ),
    Step(
        ("sklearn.ensemble._hist_gradient_boosting.binning:_BinMapper",),
        "0.24",
        "0.24: histogram boosting splits by categories",
        _bins_without_categories,
    ),
    Step(
        (f"{_HISTOGRAM}:BaseHistGradientBoosting",),
        "0.24",
        "0.23 and 0.24: the bin mapper and the number of features are private",
        _private_histograms,
    ),
    Step(
        (f"{_GB}:GradientBoostingClassifier",),
        "1.4",
        "1.4: gradient boosting uses the losses of sklearn._loss; 1.1 renamed deviance log_loss",
        _classifier,
    ),
    Step(
        (f"{_GB}:GradientBoostingClassifier",),
        "1.4",
        "1.4: the multinomial link is symmetric, so that boosting starts at centred logarithms",
        _centred_start,
        becomes=_uncentred_start,
    ),
    Step(
        (f"{_GB}:GradientBoostingRegressor",),
        "1.4",
        "1.4: gradient boosting uses the losses of sklearn._loss; 1.0 renamed ls and lad",
        _regressor,
    ),
    Step(
        (f"{_HISTOGRAM}:HistGradientBoostingClassifier",),
        "1.1",
        "1.1: histogram boosting uses the losses of sklearn._loss; cross-entropies are log_loss",
        _histogram_classifier,
    ),
    Step(
        (f"{_HISTOGRAM}:HistGradientBoostingRegressor",),
        "1.1",
        "1.1: histogram boosting uses the losses of sklearn._loss",
        _histogram_regressor,
    ),
    Step(
        (f"{_HISTOGRAM}:BaseHistGradientBoosting",),
        "1.1",
        "1.1: histogram boosting scores rows by classes, no longer classes by rows",
        _baseline,
    ),
    Step(
        (f"{_HISTOGRAM}:BaseHistGradientBoosting",),
        "1.4",
        "1.4: histogram boosting encodes categories of frames itself",
        added(_preprocessor=None, _is_categorical_remapped=None, categorical_features=None),
    ),
    Step(
        _ADA,
        "1.3",
        "1.3: SAMME counts a negative vote for the classes that were not chosen",
        becomes=_by_votes,
    ),
    Step(
        _ADA,
        "1.6",
        "1.6: SAMME.R is removed; it was the default",
        becomes=_by_probabilities,
    ),
)
