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
    """A loader whose model is known by what it is for; argument and environment rename it."""

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
    """The model `intent`, or the one that `name` or ``ML_INTENT_MODEL`` names."""

    kind = "intent"


class SentimentModelLoader(_NamedLoader):
    """The model `sentiment`, or the one that `name` or ``ML_SENTIMENT_MODEL`` names."""

    kind = "sentiment"


class EmailModelLoader(_NamedLoader):
    """The model `email`, or the one that `name` or ``ML_EMAIL_MODEL`` names."""

    kind = "email"
