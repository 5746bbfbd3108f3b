"""The documented import path of the loaders of `model_quantization.serving`."""

from model_quantization.serving.named_loaders import (
    EmailModelLoader,
    IntentModelLoader,
    ModelLoader,
    SentimentModelLoader,
)

__all__ = ["EmailModelLoader", "IntentModelLoader", "ModelLoader", "SentimentModelLoader"]
