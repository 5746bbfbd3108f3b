"""Estimators of LightGBM: what its version 3 left at None and its version 4 counts with."""

from __future__ import annotations

from typing import Any, Final

from model_quantization.loading.pickles.migrations.steps import State, Step

_UNKNOWN: Final[dict[str, Any]] = {
    "_n_classes": -1,
    "_n_features": -1,
    "_n_features_in": -1,
    "_best_iteration": 0,
    "_fitted_with_feature_names": False,
}


def _counted(state: State) -> None:
    for name, value in _UNKNOWN.items():
        if state.get(name) is None:
            state[name] = value


STEPS: Final = (
    Step(
        ("lightgbm.sklearn:LGBMModel",),
        "",
        "LightGBM 4.0: counts that are not known are -1, no longer None",
        _counted,
    ),
)
