"""The documented import path of `model_quantization`; everything lives there."""

from model_quantization.api import (
    ModelQuantizer,
    batch_quantize_models,
    compare_model_performance,
    quantize_model_file,
)
from model_quantization.evaluation.predictions import judge_predictions

__all__ = [
    "ModelQuantizer",
    "batch_quantize_models",
    "compare_model_performance",
    "judge_predictions",
    "quantize_model_file",
]
