"""Smaller and faster scikit-learn models, with proof that nothing was lost.

>>> import model_quantization as mq
>>> from sklearn.datasets import load_digits
>>> from sklearn.ensemble import RandomForestClassifier
>>> rows, labels = load_digits(return_X_y=True)
>>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
>>> quantized, stats = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
>>> bool((quantized.predict(rows) == model.predict(rows)).all())
True

Every public name is imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_quantization.api import (
        ModelQuantizer,
        batch_quantize_models,
        compare_model_performance,
        quantize_model_file,
    )
    from model_quantization.errors import QuantizationError
    from model_quantization.evaluation.policy import GatePolicy
    from model_quantization.evaluation.predictions import Judgement, judge_predictions
    from model_quantization.limits import Limits
    from model_quantization.predictor.opening import load
    from model_quantization.predictor.quantized_model import QuantizedModel
    from model_quantization.serving.named_loaders import (
        EmailModelLoader,
        IntentModelLoader,
        ModelLoader,
        SentimentModelLoader,
    )

    __version__: str

__all__ = [
    "EmailModelLoader",
    "GatePolicy",
    "IntentModelLoader",
    "Judgement",
    "Limits",
    "ModelLoader",
    "ModelQuantizer",
    "QuantizationError",
    "QuantizedModel",
    "SentimentModelLoader",
    "__version__",
    "batch_quantize_models",
    "compare_model_performance",
    "judge_predictions",
    "load",
    "quantize_model_file",
]

_MODULES = {
    "api": (
        "ModelQuantizer",
        "batch_quantize_models",
        "compare_model_performance",
        "quantize_model_file",
    ),
    "errors": ("QuantizationError",),
    "evaluation.policy": ("GatePolicy",),
    "evaluation.predictions": ("Judgement", "judge_predictions"),
    "limits": ("Limits",),
    "predictor.opening": ("load",),
    "predictor.quantized_model": ("QuantizedModel",),
    "serving.named_loaders": (
        "EmailModelLoader",
        "IntentModelLoader",
        "ModelLoader",
        "SentimentModelLoader",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from model_quantization.version import installed_version

        return installed_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next access then finds the name without this function
    return value


def __dir__() -> list[str]:
    # Completion offers the public names, imported or not, and no name that only this file uses.
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
