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
    if state.get("_Booster") is not None:
        state.setdefault("fitted_", True)
    if state.get("_n_features_in") in (None, -1) and state.get("_n_features") is not None:
        state["_n_features_in"] = state["_n_features"]
    for name, value in _UNKNOWN.items():
        if state.get(name) is None:
            state[name] = value


def _readable(state: State) -> None:
    """XGBoost 1.6 writes UBJSON; what came before is refused by name, where it can be read."""
    held = state.get("handle")
    text = b"" if held is None else bytes(held[:1])
    if text and text != b"{":
        raise ValueError(
            "XGBoost wrote this booster in the binary format of its versions before 1.6, which "
            "newer ones do not read; open it with XGBoost 1.6 to 3.0, and save it there again"
        )


STEPS: Final = (
    Step(
        ("xgboost.core:Booster",),
        "",
        "XGBoost 1.6: boosters are saved as UBJSON",
        _readable,
    ),
    Step(
        ("lightgbm.sklearn:LGBMModel",),
        "",
        "LightGBM 4.0: counts that are not known are -1, no longer None",
        _counted,
    ),
)
