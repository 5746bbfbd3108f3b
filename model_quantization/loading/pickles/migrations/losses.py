"""Loss objects, which boosting, linear models and networks hold."""

from __future__ import annotations

from typing import Final

from model_quantization.loading.pickles.migrations.steps import Step, added

STEPS: Final = (
    Step(
        ("sklearn._loss.loss:BaseLoss",),
        "1.9",
        "1.9: losses know the array library of their arguments",
        added(xp=None, device=None),
    ),
    Step(
        ("sklearn._loss.loss:HalfMultinomialLoss",),
        "1.9",
        "1.9: losses know the array library of their arguments",
        added(class_indexing_offsets=None, y_true_int=None, y_true_one_hot=None),
    ),
)
