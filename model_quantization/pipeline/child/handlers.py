"""The functions that a child process may run, and the modules that it imports beforehand."""

from __future__ import annotations

import functools
from typing import Any, Final

from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.loading.sandbox.handler import Handler, Reply, Request
from model_quantization.loading.sandbox.probe import probe
from model_quantization.loading.sandbox.worker import Worker
from model_quantization.pipeline.child.candidate import answer_rows
from model_quantization.pipeline.child.latency import measure
from model_quantization.pipeline.child.measuring import measure_plans
from model_quantization.pipeline.child.original import inspect

HANDLERS: Final[tuple[Handler[Any, Any], ...]] = (
    inspect,
    answer_rows,
    measure,
    measure_plans,
    probe,
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
    *dict.fromkeys(handler.function.__module__ for handler in HANDLERS),
    "model_quantization.predictor.quantized_model",
    "model_quantization.pipeline.child.preloaded",
)


@functools.cache
def _worker() -> Worker:
    return Worker(frozenset(handler.name for handler in HANDLERS), PRELOAD)


def ask_child(
    handler: Handler[Request, Reply],
    request: Request,
    limits: Limits,
    access: Access | None = None,
) -> Reply:
    """Return the reply of `handler` in a child of this process's own server; see `Worker.ask`."""
    return _worker().ask(handler, request, limits, access)
