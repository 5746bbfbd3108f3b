"""The requests that the child process answers, and the modules it imports beforehand."""

from __future__ import annotations

import functools
from typing import Any, Final

from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.loading.sandbox.worker import Worker

HANDLERS: Final = frozenset(
    {
        "model_quantization.pipeline.child.original:inspect",
        "model_quantization.pipeline.child.candidate:answer_rows",
        "model_quantization.loading.sandbox.probe:probe",
    }
)


PRELOAD: Final = (
    "numpy",
    "scipy.sparse",
    "sklearn",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.svm",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.feature_extraction.text",
    "joblib",
    "pandas",
    "model_quantization.pipeline.child.original",
    "model_quantization.pipeline.child.candidate",
    "model_quantization.predictor.quantized_model",
    "model_quantization.pipeline.child.preloaded",
)


@functools.cache
def _default() -> Worker:
    return Worker(HANDLERS, PRELOAD)


def call_worker(
    handler: str, request: dict[str, Any], limits: Limits, access: Access | None = None
) -> dict[str, Any]:
    """What `handler(request)` gives in a child of this process's own server; see `Worker.call`."""
    return _default().call(handler, request, limits, access)
