"""Naive Bayes and Gaussian processes: attributes that were renamed or came later."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.loading.pickles.migrations.steps import State, Step, renamed


def _target_scale(state: State) -> None:
    """The targets' deviation, which answers are multiplied by; before 0.23 they were not."""
    if "y_train_" in state:
        state.setdefault("_y_train_std", np.ones(state["y_train_"].shape[1:]))


STEPS: Final = (
    Step(
        ("sklearn.naive_bayes:GaussianNB",),
        "1.0",
        "1.0: sigma_ is renamed var_",
        renamed("sigma_", "var_"),
    ),
    Step(
        ("sklearn.gaussian_process._gpr:GaussianProcessRegressor",),
        "0.23",
        "0.23: normalize_y also divides by the deviation of the targets",
        _target_scale,
    ),
)
