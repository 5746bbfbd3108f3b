"""Proof on held-out data: answers of two models -> figures -> a verdict."""

from ml.quantization.evaluation.checks import Check, CheckName, Finding
from ml.quantization.evaluation.evidence import ClassLoss, Evaluation
from ml.quantization.evaluation.gate import decide, decide_on_answers
from ml.quantization.evaluation.latency import Latency, measure_latency
from ml.quantization.evaluation.policy import GatePolicy
from ml.quantization.evaluation.predictions import Judgement, judge_predictions
from ml.quantization.evaluation.proof import evaluate
from ml.quantization.evaluation.verdict import Verdict

__all__ = [
    "Check",
    "CheckName",
    "ClassLoss",
    "Evaluation",
    "Finding",
    "GatePolicy",
    "Judgement",
    "Latency",
    "Verdict",
    "decide",
    "decide_on_answers",
    "evaluate",
    "judge_predictions",
    "measure_latency",
]
