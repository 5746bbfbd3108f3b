"""Proof on held-out data: answers of two models -> figures -> a verdict.

Nothing here asks a model (`pipeline`) or opens an artifact; `rows` reads the held-out files.
"""

from model_quantization.evaluation.evidence import ClassLoss, Evaluation
from model_quantization.evaluation.gate import Check, Verdict, decide
from model_quantization.evaluation.latency import Latency, measure_latency
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.proof import evaluate

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
