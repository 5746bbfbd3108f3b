"""Compares the original and the quantized model, for a reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from model_quantization.errors import ConfigError, PredictionError
from model_quantization.evaluation.answers import Answers, answer, answerable, plain_array
from model_quantization.evaluation.evidence import Evaluation
from model_quantization.evaluation.latency import (
    Latency,
    measure_latencies,
    slower_by_more_than_spread,
)
from model_quantization.evaluation.metrics import METRICS, score_of
from model_quantization.evaluation.pairs import Pair
from model_quantization.evaluation.policy import RELATIVE_ERROR, GatePolicy
from model_quantization.evaluation.proof import Task, evaluate
from model_quantization.records import Record

_AGAINST_ORIGINAL = ("agreement", RELATIVE_ERROR)


@dataclass(frozen=True, slots=True)
class LoadCost(Record):
    """Cost of loading a model: seconds, and resident bytes (None: not measured)."""

    seconds: float
    resident_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the two models compared: itself, or a way to load it.

    Attributes
    ----------
    model : object, optional
        The loaded model; its loading is then not measured.
    load : callable, optional
        Returns the model; called once, and timed if there is no `measure`.
    size_bytes : int, optional
        Size of the file.
    measure : callable, optional
        Returns the `LoadCost`, best from a fresh process, where nothing is imported yet and the
        resident memory is the model's own.
    """

    model: Any = None
    load: Callable[[], Any] | None = None
    size_bytes: int | None = None
    measure: Callable[[], LoadCost] | None = None

    def loaded(self) -> tuple[Any, LoadCost | None]:
        """The model and the cost of loading it; None for a model that was loaded already.

        Raises
        ------
        ConfigError
            There is neither a model nor a way to load it.
        """
        if self.load is None:
            if self.model is None:
                raise ConfigError("nothing to compare", expected="a model, or a way to load it")
            return self.model, None
        cost = self.measure() if self.measure is not None else None
        started = perf_counter()
        model = self.load()
        return model, cost or LoadCost(perf_counter() - started)


def compare(
    original: Subject,
    quantized: Subject,
    rows: Any,
    target: Any = None,
    *,
    policy: GatePolicy | None = None,
    task: Task = "auto",
    repeats: int = 200,
    budget_seconds: float = 0.2,
) -> dict[str, Any]:
    """Compare the quantized model with the original on the same rows.

    Parameters
    ----------
    original, quantized : Subject
    rows : DataFrame, array, sparse matrix or list of str
        In the form the models take.
    target : array-like, optional
        Without it the scores are agreement with the original.
    policy : GatePolicy, optional
        Gives the metric and the level of the bounds.
    task : str
        As in `evaluate`.
    repeats, budget_seconds
        As in `measure_latencies`.

    Returns
    -------
    dict
        ``rows, task, metric`` and ``score_change`` (signed, positive is better);
        ``original`` and ``quantized``, each with ``score`` (of `metric`), ``metrics`` (name ->
        score, errors negated), ``latency`` (the fields of `Latency`, microseconds),
        ``load_seconds``, ``resident_bytes`` (None for models that were loaded already) and
        ``size_bytes``; ``agreement`` (share of rows with the same prediction);
        ``largest_score_difference`` (method -> largest absolute difference); ``bit_identical``;
        ``slower`` (where the quantized model is slower by more than the spread, in words);
        ``speedup_one_row, speedup_batch, size_reduction_percent`` (None where unknown);
        ``failed`` (method -> why the quantized model gave nothing to compare); ``evaluation``
        (every figure, as `Evaluation.to_json`).

    Raises
    ------
    ConfigError, HeldOutError, PredictionError
        Nothing to compare; targets that do not fit; a model whose `predict` fails.
    """
    policy = policy or GatePolicy()
    truth = None if target is None else plain_array(target)
    first, first_cost = original.loaded()
    second, second_cost = quantized.loaded()
    methods = answerable(first)
    if not methods:
        raise PredictionError(
            "the model has no method that answers rows",
            where=type(first).__name__,
            expected="predict, transform or the like",
        )
    before, after = answer(first, rows, methods), answer(second, rows, methods)
    evaluation = evaluate(before, after, truth, policy, task=task)
    asked = next((m for m in methods if m in before.methods and m in after.methods), None)
    one, two = None, None
    if asked:
        one, two = measure_latencies(
            [getattr(model, asked) for model in (first, second)],
            rows,
            repeats=repeats,
            budget_seconds=budget_seconds,
        )
    scores = _scores(evaluation, before, after, truth)
    sizes = original.size_bytes, quantized.size_bytes
    return {
        "rows": evaluation.rows,
        "task": evaluation.task,
        "metric": evaluation.metric,
        "score_change": evaluation.change,
        "original": _side(evaluation.score_before, scores[0], one, first_cost, sizes[0]),
        "quantized": _side(evaluation.score_after, scores[1], two, second_cost, sizes[1]),
        "agreement": 1.0 - evaluation.labels_changed / evaluation.rows
        if evaluation.metric
        else None,
        "largest_score_difference": {
            each.method: each.largest_difference for each in evaluation.agreement
        },
        "bit_identical": evaluation.bit_identical,
        "slower": list(slower_by_more_than_spread(one, two)) if one and two else [],
        "speedup_one_row": one.one_row_p50_us / two.one_row_p50_us if one and two else None,
        "speedup_batch": one.batch_p50_us / two.batch_p50_us if one and two else None,
        "size_reduction_percent": 100.0 * (1.0 - sizes[1] / sizes[0])
        if sizes[0] and sizes[1] is not None
        else None,
        "failed": dict(evaluation.failed),
        "evaluation": evaluation.to_json(),
    }


def _scores(
    evaluation: Evaluation, before: Answers, after: Answers, target: Any
) -> tuple[dict[str, float], dict[str, float]]:
    """Every metric of the task that can be computed, of both models."""
    found: tuple[dict[str, float], dict[str, float]] = ({}, {})
    # Without a target, or without comparable answers, there is no score.
    if target is None or not evaluation.metric or evaluation.metric in _AGAINST_ORIGINAL:
        return found
    task = "regression" if evaluation.task == "regression" else "classification"
    for name, metric in METRICS.items():
        used, _ = Pair(before, after, GatePolicy(metric=name)).metric(task, target)
        if metric.task == task and used == name:
            for scores, answers in zip(found, (before, after), strict=True):
                scores[name] = score_of(metric.build(answers, target), evaluation.rows)
    return found


def _side(
    score: float | None,
    metrics: dict[str, float],
    latency: Latency | None,
    cost: LoadCost | None,
    size_bytes: int | None,
) -> dict[str, Any]:
    return {
        "score": score,
        "metrics": metrics,
        "latency": latency.to_json() if latency else None,
        "load_seconds": cost.seconds if cost else None,
        "resident_bytes": cost.resident_bytes if cost else None,
        "size_bytes": size_bytes,
    }
