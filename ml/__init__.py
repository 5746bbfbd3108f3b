"""Quantized scikit-learn models: `ml.load` opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.quantization.predictor import QuantizedModel, load

__all__ = ["QuantizedModel", "load"]


def __getattr__(name: str) -> object:
    # On first use: importing `ml` alone costs nothing.
    if name in __all__:
        from ml.quantization import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
