"""Calibrated classifiers and the isotonic functions that they and others hold."""

from __future__ import annotations

from typing import Final

from model_quantization.loading.pickles.migrations.steps import State, Step, renamed, together


def _listed_calibrators(state: State) -> None:
    """One calibrator per class; before 0.24 a calibrated classifier kept its own label encoder."""
    renamed("calibrators_", "calibrators")(state)
    state.pop("label_encoder_", None)
    if "classes_" in state:
        state["classes"] = state.pop("classes_")
    if "calibrators" in state:
        state.setdefault("method", "sigmoid")


STEPS: Final = (
    Step(
        ("sklearn.calibration:_CalibratedClassifier",),
        "0.24",
        "0.24: calibrated classifiers are made with their classes and calibrators",
        _listed_calibrators,
    ),
    Step(
        ("sklearn.isotonic:IsotonicRegression",),
        "0.24",
        "0.24: the points of the function are X_thresholds_ and y_thresholds_",
        together(
            renamed("_necessary_X_", "X_thresholds_"), renamed("_necessary_y_", "y_thresholds_")
        ),
    ),
)
