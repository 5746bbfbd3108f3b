"""Selectors: some of the columns, chosen when they were fitted.

Which columns follows from scores that nothing may round: a selector that chooses others is another
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.forms import Selection
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import Refuses, number_step, width_of
from model_quantization.families.shared.wrapping import delegating
from model_quantization.schemes.scheme import Role, Slot

_UNIVARIATE = "sklearn.feature_selection._univariate_selection"
_K_BEST = f"{_UNIVARIATE}:SelectKBest"
_PERCENTILE = f"{_UNIVARIATE}:SelectPercentile"
_FPR = f"{_UNIVARIATE}:SelectFpr"
_FDR = f"{_UNIVARIATE}:SelectFdr"
_FWE = f"{_UNIVARIATE}:SelectFwe"
_GENERIC = f"{_UNIVARIATE}:GenericUnivariateSelect"
_VARIANCE = "sklearn.feature_selection._variance_threshold:VarianceThreshold"
_SEQUENTIAL = "sklearn.feature_selection._sequential:SequentialFeatureSelector"
_FROM_MODEL = "sklearn.feature_selection._from_model:SelectFromModel"
_RFE = "sklearn.feature_selection._rfe:RFE"
_RFECV = "sklearn.feature_selection._rfe:RFECV"
_ELIMINATION = frozenset({_RFE, _RFECV})
_MODES = {"percentile": _PERCENTILE, "k_best": _K_BEST, "fpr": _FPR, "fdr": _FDR, "fwe": _FWE}

Get = Callable[[str], Any]


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The chosen columns; behind them, for what was fitted with its model, that model."""
    chosen = _chosen(component)
    if isinstance(chosen, NotFast):
        return chosen
    if not chosen.any():
        return NotFast("it chose no column, and warns of that")
    refuses: Refuses = "infinite" if component.type == _VARIANCE else "not finite"
    count = int(chosen.sum())
    step = number_step(
        component,
        lambda rows: rows[:, chosen],
        by=f"{count} of {len(chosen)} columns",
        n_features=len(chosen),
        n_columns=count,
        refuses=refuses,
        integers="kept",
        form=Selection(chosen),
    )
    if component.type not in _ELIMINATION:
        return step
    return delegating(component, step, component.get("estimator_"), exact)


def _chosen(component: Component) -> Array | NotFast:
    """Which columns it chose, as its class decides that."""
    chosen: Array | NotFast | None
    if component.type in (_RFE, _RFECV, _SEQUENTIAL):
        chosen = component.get("support_")
    elif component.type == _FROM_MODEL:
        chosen = _important(component)
    else:
        kind = component.type
        get: Get = component.get
        if kind == _GENERIC:
            kind, get = _MODES.get(component.get("mode"), ""), _of_mode(component)
        rule = _RULES.get(kind)
        chosen = rule(get) if rule is not None else None
    if isinstance(chosen, NotFast):
        return chosen
    if not isinstance(chosen, np.ndarray) or chosen.ndim != 1 or chosen.dtype != bool:
        return NotFast("which columns it chose is not known")
    # A choice by importance says its width through the model that it asked.
    inside = component.get("estimator_") or component.get("estimator")
    asked = inside if component.type == _FROM_MODEL and isinstance(inside, Component) else component
    if len(chosen) != width_of(asked):
        return NotFast("it chose among other columns than it was fitted on")
    return chosen


def _of_mode(component: Component) -> Get:
    """The attributes of the selector that a generic one stands for; its parameter has no name."""
    parameter = component.get("param")
    own = ("scores_", "pvalues_")
    return lambda name: component.get(name) if name in own else parameter


def _scores(get: Get) -> Array:
    scores = np.array(get("scores_"), dtype=np.float64)
    scores[np.isnan(scores)] = np.finfo(scores.dtype).min
    return scores


def _k_best(get: Get) -> Array:
    count = get("k")
    scores = _scores(get)
    if count == "all":
        return np.ones(scores.shape, dtype=bool)
    chosen = np.zeros(scores.shape, dtype=bool)
    if count:
        chosen[np.argsort(scores, kind="mergesort")[-count:]] = True
    return chosen


def _percentile(get: Get) -> Array:
    percentile, scores = get("percentile"), _scores(get)
    if percentile in (0, 100):
        return np.full(scores.shape, percentile == 100)
    threshold = np.percentile(scores, 100 - percentile)
    chosen: Array = scores > threshold
    ties = np.flatnonzero(scores == threshold)
    if len(ties):
        most = int(len(scores) * percentile / 100)
        chosen[ties[: most - chosen.sum()]] = True
    return chosen


def _below(get: Get) -> Array:
    return np.asarray(get("pvalues_") < get("alpha"))


def _below_share(get: Get) -> Array:
    return np.asarray(get("pvalues_") < get("alpha") / len(get("pvalues_")))


def _discoveries(get: Get) -> Array:
    values = get("pvalues_")
    count = len(values)
    ordered = np.sort(values)
    significant = ordered[ordered <= float(get("alpha")) / count * np.arange(1, count + 1)]
    if not significant.size:
        return np.zeros_like(values, dtype=bool)
    return np.asarray(values <= significant.max())


_RULES: dict[str, Callable[[Get], Array]] = {
    _K_BEST: _k_best,
    _PERCENTILE: _percentile,
    _FPR: _below,
    _FDR: _discoveries,
    _FWE: _below_share,
    _VARIANCE: lambda get: np.asarray(get("variances_") > get("threshold")),
}


def _important(component: Component) -> Array | NotFast:
    """SelectFromModel: columns whose importance to the model inside is above a threshold."""
    inside = component.get("estimator_") or component.get("estimator")
    if not isinstance(inside, Component):
        return NotFast("there is no estimator inside")
    importances = _importances(component, inside)
    if importances is None:
        return NotFast("how important its model finds each column is not stored")
    threshold = component.get("threshold")
    if threshold is None:
        threshold = 1e-5 if _is_sparse_by_penalty(inside) else "mean"
    level = _level(threshold, importances)
    most = component.get("max_features_", component.get("max_features"))
    if level is None or not (most is None or type(most) is int):
        return NotFast("its threshold, or its number of columns, is of a kind that is not known")
    chosen = np.ones_like(importances, dtype=bool)
    if most is not None:
        chosen[:] = False
        chosen[np.argsort(-importances, kind="mergesort")[:most]] = True
    chosen[importances < level] = False
    return chosen


def _importances(component: Component, inside: Component) -> Array | None:
    """The size of each column's weights, or the importances that a forest keeps."""
    if component.get("importance_getter", "auto") != "auto":
        return None
    weights = inside.get("coef_")
    if isinstance(weights, np.ndarray):
        if weights.ndim == 1:
            return np.abs(weights)
        order = component.get("norm_order", 1)
        return np.asarray(np.linalg.norm(weights, axis=0, ord=order))
    known = inside.get("feature_importances_")
    return np.abs(known) if isinstance(known, np.ndarray) and known.ndim == 1 else None


def _is_sparse_by_penalty(inside: Component) -> bool:
    """Whether scikit-learn's default threshold for this model is next to nothing."""
    name = inside.type.rpartition(":")[2]
    ratio = inside.get("l1_ratio_" if name.endswith("CV") else "l1_ratio")
    by_ratio = name in ("ElasticNet", "ElasticNetCV", "LogisticRegression", "LogisticRegressionCV")
    return (
        inside.get("penalty") == "l1"
        or "Lasso" in name
        or (by_ratio and ratio is not None and bool(np.all(np.isclose(ratio, 1.0))))
    )


def _level(threshold: object, importances: Array) -> Any:
    if not isinstance(threshold, str):
        return float(threshold) if isinstance(threshold, int | float) else None
    scale, star, reference = threshold.rpartition("*")
    if reference.strip() not in ("mean", "median"):
        return None
    middle = np.mean(importances) if reference.strip() == "mean" else np.median(importances)
    return float(scale) * middle if star else middle


def examples() -> Iterable[Example]:
    """Each way of choosing, and elimination with the model behind it."""
    from sklearn import feature_selection as select
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import Lasso, LogisticRegression

    rows, labels = make_classification(150, 24, n_informative=6, random_state=0)
    logistic = LogisticRegression(max_iter=300)
    chosen = {
        "k best": select.SelectKBest(k=7),
        "percentile": select.SelectPercentile(percentile=30),
        "false positives": select.SelectFpr(alpha=0.2),
        "false discoveries": select.SelectFdr(alpha=0.5),
        "family-wise errors": select.SelectFwe(alpha=0.9),
        "a mode": select.GenericUnivariateSelect(mode="k_best", param=5),
        "variance": select.VarianceThreshold(1.1),
        "weights": select.SelectFromModel(logistic, max_features=9),
        "median weights": select.SelectFromModel(logistic, threshold="1.1*median"),
        "penalized weights": select.SelectFromModel(Lasso(0.05)),
        "importances": select.SelectFromModel(RandomForestClassifier(5, random_state=0)),
        "one by one": select.SequentialFeatureSelector(logistic, n_features_to_select=2, cv=2),
        "elimination": select.RFE(logistic, n_features_to_select=6, step=6),
        "elimination by folds": select.RFECV(logistic, cv=2, step=6),
    }
    for name, selector in chosen.items():
        yield Example(name, selector.fit(rows, labels), rows)


_DECIDES = Slot(Role.STATISTIC, note="which columns are chosen follows from it")

FAMILY = Family(
    name="selection",
    types=frozenset({*_RULES, _GENERIC, _SEQUENTIAL, _FROM_MODEL, *_ELIMINATION}),
    slots=slots_for(("scores_", "pvalues_", "variances_"), _DECIDES),
    lower=lower,
    examples=examples,
)
