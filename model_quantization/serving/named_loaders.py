"""Models by name for serving: the quantized artifact while it is good, the original otherwise.

::

    loader = IntentModelLoader(use_quantized=True)
    loader.predict(["book a table for two"])      # whichever model is active answers
    loader.use_quantized_model(False)             # at run time, from any thread
    loader.status()                               # which one answers, and why
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from model_quantization.serving.loader import ModelLoader

__all__ = ["EmailModelLoader", "IntentModelLoader", "ModelLoader", "SentimentModelLoader"]


class _NamedLoader(ModelLoader):
    """A loader with a default name for its model; argument and environment rename it."""

    kind: ClassVar[str]

    def __init__(
        self,
        use_quantized: bool = True,
        model_dir: Path | str | None = None,
        output_dir: Path | str | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        name = name or os.environ.get(f"ML_{self.kind.upper()}_MODEL") or self.kind
        super().__init__(name, model_dir, output_dir, use_quantized, **options)


class IntentModelLoader(_NamedLoader):
    """The model `intent`, or the one that `name` or ``ML_INTENT_MODEL`` names.

    Examples
    --------
    >>> IntentModelLoader(model_dir="models")
    IntentModelLoader('intent', nothing loaded yet)
    >>> IntentModelLoader(model_dir="models", name="intent_v2")
    IntentModelLoader('intent_v2', nothing loaded yet)
    """

    kind = "intent"


class SentimentModelLoader(_NamedLoader):
    """The model `sentiment`, or the one that `name` or ``ML_SENTIMENT_MODEL`` names.

    Examples
    --------
    >>> SentimentModelLoader(model_dir="models")
    SentimentModelLoader('sentiment', nothing loaded yet)
    >>> SentimentModelLoader(model_dir="models", name="sentiment_v2")
    SentimentModelLoader('sentiment_v2', nothing loaded yet)
    """

    kind = "sentiment"


class EmailModelLoader(_NamedLoader):
    """The model `email`, or the one that `name` or ``ML_EMAIL_MODEL`` names.

    Examples
    --------
    >>> EmailModelLoader(model_dir="models")
    EmailModelLoader('email', nothing loaded yet)
    >>> EmailModelLoader(model_dir="models", name="email_v2")
    EmailModelLoader('email_v2', nothing loaded yet)
    """

    kind = "email"
