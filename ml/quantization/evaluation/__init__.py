"""Proof on held-out data: answers of two models -> figures -> a verdict."""

from ml.quantization.evaluation.evidence import ClassLoss, Evaluation
from ml.quantization.evaluation.gate import Check, Verdict, decide
from ml.quantization.evaluation.latency import Latency, measure_latency
from ml.quantization.evaluation.policy import GatePolicy
from ml.quantization.evaluation.proof import evaluate

__all__ = [
    "Check",
    "ClassLoss",
    "Evaluation",
    "GatePolicy",
    "Latency",
    "Verdict",
    "decide",
    "evaluate",
    "measure_latency",
]
