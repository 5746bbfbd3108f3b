"""The fast predictor of each kind of forest."""

from __future__ import annotations

from collections.abc import Callable

from model_quantization.families.family import Component
from model_quantization.families.forest.catboost.answers import lower_catboost
from model_quantization.families.forest.kinds import KINDS, Predictor
from model_quantization.families.forest.lightgbm.answers import lower_lightgbm
from model_quantization.families.forest.predictors.averaged import lower_averaged, lower_embedding
from model_quantization.families.forest.predictors.boosted import lower_boosted
from model_quantization.families.forest.predictors.histogram import lower_histogram
from model_quantization.families.forest.predictors.isolated import lower_isolated
from model_quantization.families.forest.predictors.members import lower_members
from model_quantization.families.forest.predictors.weighted import lower_weighted
from model_quantization.families.forest.xgboost.answers import lower_xgboost
from model_quantization.families.lowered import Lowered, NotFast

PREDICTORS: dict[Predictor, Callable[[Component], Lowered | NotFast]] = {
    "averaged": lower_averaged,
    "embedding": lower_embedding,
    "isolated": lower_isolated,
    "boosted": lower_boosted,
    "histogram": lower_histogram,
    "weighted": lower_weighted,
    "lightgbm": lower_lightgbm,
    "xgboost": lower_xgboost,
    "catboost": lower_catboost,
}


def lower_forest(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a packed forest, bit for bit the restored estimator's answers.

    Of members that are no trees it is as exact as theirs.
    """
    if "tree_splits" not in component or "n_features_in_" not in component:
        return lower_members(component, exact)
    return PREDICTORS[KINDS[component.type].lower](component)
