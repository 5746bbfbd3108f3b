"""Models by name over HTTP: a FastAPI application to start from.

    uvicorn --app-dir examples/serving application:application --host 127.0.0.1 --port 8000
    cd examples/serving && gunicorn --config gunicorn.conf.py application:application

| variable | meaning |
|---|---|
| `SERVED_MODELS` | names with commas between them, such as `intent,sentiment` |
| `ML_MODEL_DIR`, `ML_QUANTIZED_DIR` | where originals and releases lie |
| `ML_PUBLIC_KEYS` | keys that a release must be signed with |

| `RELOAD_SECONDS` | how often releases in object storage are looked at (30); files are watched |

The models are loaded and asked before the process says that it is ready. A new release is taken
over within two seconds, without a restart and without a lost request.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, HTTPException, Path, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from model_quantization import ModelLoader, QuantizationError
from model_quantization.serving.exporters import PrometheusCollector

MOST_ROWS = 10_000
log = logging.getLogger("model_quantization.service")
Number = float | None  # null is a missing value
Record = dict[str, float | str | bool | None]
Method = Literal["predict", "predict_proba", "decision_function"]


class Question(BaseModel):
    """Rows to answer: lists of numbers, texts, or records of a table (these need pandas)."""

    rows: list[list[Number]] | list[str] | list[Record] = Field(
        min_length=1, max_length=MOST_ROWS, examples=[[[5.1, 3.5, 1.4, 0.2]]]
    )
    method: Method = "predict"

    def as_input(self) -> Any:
        """Return the rows as the model's method takes them."""
        first = self.rows[0]
        if isinstance(first, dict):
            import pandas as pd

            return pd.DataFrame.from_records(self.rows)
        if isinstance(first, str):
            return self.rows
        return np.asarray(self.rows, dtype=np.float64)


class Answer(BaseModel):
    """One answer per row, and who gave it."""

    model: str
    release: int
    active: str
    answers: list[Any]


def served_models() -> dict[str, ModelLoader]:
    """Return a loader for each name in `SERVED_MODELS`; nothing is read yet."""
    names = [name.strip() for name in os.environ.get("SERVED_MODELS", "").split(",")]
    watch = not is_remote()
    return {name: ModelLoader(name, watch=watch, metrics=True) for name in names if name}


def is_remote() -> bool:
    """Whether releases are in object storage, where nothing can be watched."""
    return "://" in (os.environ.get("ML_QUANTIZED_DIR") or os.environ.get("ML_MODEL_DIR") or "")


def warm(loaders: Mapping[str, ModelLoader]) -> None:
    """Load every model and let it answer its self-test, so that the first request does not wait."""
    for loader in loaders.values():
        loader.status()


async def reload_again_and_again(loaders: Mapping[str, ModelLoader], seconds: float) -> None:
    """Take over new releases until cancelled; what was served goes on when that fails."""
    while True:
        await asyncio.sleep(seconds)
        for name, loader in loaders.items():
            try:
                await run_in_threadpool(loader.reload)
            except (QuantizationError, OSError) as error:
                log.warning("%s: no new release is taken over: %s", name, error)


def make_application(loaders: Mapping[str, ModelLoader]) -> FastAPI:
    """Return the application that serves these models."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(warm, loaders)
        seconds = float(os.environ.get("RELOAD_SECONDS", "30"))
        again = (
            asyncio.create_task(reload_again_and_again(loaders, seconds)) if is_remote() else None
        )
        yield
        if again is not None:
            again.cancel()

    application = FastAPI(title="Quantized models", lifespan=lifespan)
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(list(loaders.values())))

    # Plain functions run in threads: an answer of a large batch keeps nobody else waiting.
    @application.post("/models/{name}")
    def answer(name: Annotated[str, Path(max_length=200)], question: Question) -> Answer:
        loader = loaders.get(name)
        if loader is None:
            raise HTTPException(404, f"there is no model {name!r}; GET /models names them")
        try:
            method = getattr(loader, question.method)
            answers = np.asarray(method(question.as_input()))
        except AttributeError:
            raise HTTPException(422, f"{name} has no method {question.method}") from None
        except QuantizationError as error:
            raise HTTPException(503, f"{name} cannot answer: {error}") from error
        except (TypeError, ValueError) as error:  # rows that the model does not take
            raise HTTPException(422, str(error)) from error
        found = loader.metrics()
        return Answer(
            model=name,
            release=found["release"],
            active=found["active"] or "",
            answers=answers.tolist(),
        )

    @application.get("/models")
    def models() -> dict[str, Any]:
        """The state of every model: which file answers, and why."""
        return {name: loader.status() for name, loader in loaders.items()}

    @application.get("/health")
    def health() -> dict[str, str]:
        """Alive: for a liveness probe, which restarts a process that does not answer."""
        return {"state": "alive"}

    @application.get("/ready")
    def ready(response: Response) -> dict[str, Any]:
        """Whether every model can answer: for a readiness probe, which decides about traffic."""
        states = {name: loader.status() for name, loader in loaders.items()}
        broken = {name: state["reason"] for name, state in states.items() if not state["active"]}
        response.status_code = 503 if broken or not states else 200
        return {"ready": not broken and bool(states), "broken": broken}

    @application.get("/metrics")
    def metrics() -> Response:
        """Of this process, in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return application


LOADERS = served_models()
application = make_application(LOADERS)
