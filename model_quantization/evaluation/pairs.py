"""Comparable answers of two models, and the metric that they allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.metrics import METRICS
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.readings import against, as_text_like, class_scores, labels_of


@dataclass(frozen=True, slots=True)
class Pair:
    """Comparable answers of two models to the same rows, and the policy to judge them by."""

    original: Answers
    candidate: Answers
    policy: GatePolicy

    def changed_rows(self) -> int:
        """Rows with any label that differs."""
        before, after = against(labels_of(self.original), labels_of(self.candidate))
        return int((before != after).reshape(len(before), -1).any(axis=1).sum())

    def metric(self, task: str, target: NDArray[Any]) -> tuple[str, tuple[str, ...]]:
        """The requested metric, or the task's own and the reason, if that cannot be computed."""
        own = "accuracy" if task == "classification" else "r2"
        name = self.policy.metric
        if name == "auto":
            return own, ()
        metric = METRICS[name]
        one_output = target.ndim == 1 or target.shape[1] == 1
        if metric.task != task:
            return own, (f"{name} is for {metric.task}: {own} is used",)
        if task == "classification" and not one_output:
            return own, (f"{name} is for one output: {own} is used",)
        if not metric.needs_scores:
            return name, ()
        scores, others = class_scores(self.original), class_scores(self.candidate)
        if scores is None or others is None:
            return own, (f"{name} needs class scores: {own} is used",)
        if name == "log_loss" and "predict_proba" not in self.original.methods:
            return own, (f"log_loss needs predict_proba: {own} is used",)
        if name == "roc_auc" and np.isin(scores[0], as_text_like(target, scores[0])).sum() < 2:
            return own, (f"roc_auc needs two classes among the targets: {own} is used",)
        return name, ()
