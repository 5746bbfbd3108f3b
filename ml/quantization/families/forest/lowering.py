"""Which fast predictor a forest gets."""

from __future__ import annotations

from ml.quantization.families.family import Component, Lowered
from ml.quantization.families.forest.averaged import lower_averaged, lower_embedding
from ml.quantization.families.forest.boosted import lower_boosted
from ml.quantization.families.forest.catboost_answers import lower_catboost
from ml.quantization.families.forest.histogram import lower_histogram
from ml.quantization.families.forest.isolated import lower_isolated
from ml.quantization.families.forest.kinds import CATBOOST, KINDS, LIGHTGBM, XGBOOST
from ml.quantization.families.forest.lightgbm_answers import lower_lightgbm
from ml.quantization.families.forest.weighted import lower_weighted
from ml.quantization.families.forest.xgboost_answers import lower_xgboost


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
