"""The fast predictor of each kind of forest."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from model_quantization.families.family import Component
from model_quantization.families.forest.kinds import KINDS, Predictor
from model_quantization.families.lowered import Lowered, NotFast

# Where each function `lower_...` is, below this room. A process imports those of its own models.
PREDICTORS: dict[Predictor, str] = {
    "averaged": "predictors.averaged",
    "embedding": "predictors.averaged",
    "isolated": "predictors.isolated",
    "boosted": "predictors.boosted",
    "histogram": "predictors.histogram",
    "weighted": "predictors.weighted",
    "lightgbm": "lightgbm.answers",
    "xgboost": "xgboost.answers",
    "catboost": "catboost.answers",
}


def lower_forest(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a packed forest, bit for bit the restored estimator's answers.

    Of members that are no trees it is as exact as theirs.
    """
    if "tree_splits" not in component or "n_features_in_" not in component:
        from model_quantization.families.forest.predictors.members import lower_members

        return lower_members(component, exact)
    return predictor(KINDS[component.type].lower)(component)


def predictor(name: Predictor) -> Callable[[Component], Lowered | NotFast]:
    """The function that makes the fast predictor of this name."""
    module = importlib.import_module(f"{__package__}.{PREDICTORS[name]}")
    found: Callable[[Component], Lowered | NotFast] = getattr(module, f"lower_{name}")
    return found
