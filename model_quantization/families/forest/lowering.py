"""Which fast predictor a forest gets."""

from __future__ import annotations

from model_quantization.families.family import Component, Lowered
from model_quantization.families.forest.catboost.answers import lower_catboost
from model_quantization.families.forest.kinds import CATBOOST, KINDS, LIGHTGBM, XGBOOST
from model_quantization.families.forest.lightgbm.answers import lower_lightgbm
from model_quantization.families.forest.predictors.averaged import lower_averaged, lower_embedding
from model_quantization.families.forest.predictors.boosted import lower_boosted
from model_quantization.families.forest.predictors.histogram import lower_histogram
from model_quantization.families.forest.predictors.isolated import lower_isolated
from model_quantization.families.forest.predictors.weighted import lower_weighted
from model_quantization.families.forest.xgboost.answers import lower_xgboost


def lower_forest(component: Component) -> Lowered | None:
    """The fast predictor of a packed forest, bit for bit the restored estimator's answers."""
    kind = KINDS[component.type]
    if component.type in LIGHTGBM and "tree_splits" in component:
        return lower_lightgbm(component)
    if component.type in CATBOOST and "tree_splits" in component:
        return lower_catboost(component)
    if component.type in XGBOOST and "tree_splits" in component:
        return lower_xgboost(component)
    if "tree_splits" not in component or "n_features_in_" not in component:
        return None
    if kind.container == "nested":
        return lower_histogram(component)
    if kind.container == "grid":
        return lower_boosted(component)
    if kind.leaf == "path":
        return lower_isolated(component)
    if kind.leaf == "none":
        return lower_embedding(component)
    if kind.importances == "weighted":
        return lower_weighted(component)
    return lower_averaged(component)
