"""Proof on held-out data: answers of two models -> figures -> a verdict.

Nothing here calls a model (`pipeline`) or opens an artifact; `rows` reads the held-out files.
"""

from model_quantization.evaluation.checks import Check, CheckName, Finding
from model_quantization.evaluation.evidence import ClassLoss, Evaluation
from model_quantization.evaluation.gate import decide, decide_on_answers, failed_artifact
from model_quantization.evaluation.latency import Latency, measure_latencies
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.evaluation.predictions import Judgement, judge_predictions
from model_quantization.evaluation.proof import evaluate
from model_quantization.evaluation.verdict import Verdict

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
    "failed_artifact",
    "judge_predictions",
    "measure_latencies",
]
