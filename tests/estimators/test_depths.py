"""Every estimator at 8 and 16 bits, as a run treats it: file, child processes, gate."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import model_quantization as mq
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.pipeline.stages import ModelSettings, quantize_file
from tests.estimators.fitted import Fitted, estimator_names, fitted

ALLOWED = {Status.PUBLISHED, Status.UNVERIFIED, Status.NO_GAIN, Status.FALLBACK}
REASONS = {
    Status.PUBLISHED: {""},
    Status.UNVERIFIED: {"", "unverified"},
    Status.NO_GAIN: {"no_gain"},
    Status.FALLBACK: {
        "gate",
        "class_recall",
        "probability_shift",
        "inconclusive",
        "nan_answers",
        "original_nan",
        "proper_score",
        "rank_correlation",
        "ranking",
        "ruined_rows",
        "score_error",
    },
}
# Small models gain nothing from a file of their own: the size is not what is looked at here.
POLICY = GatePolicy(min_size_reduction=-50, publish_unverified=True, publish_inconclusive=True)


def write_held_out(item: Fitted, path: Path) -> Path | None:
    """The rows of a fitted estimator as a held-out file; None for rows that no such file holds."""
    rows: Any = item.rows
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        return None
    target = {} if item.target is None else {"target": item.target}
    np.savez(path, X=rows, **target)
    return path


def quantize(name: str, bit_depth: str, folder: Path) -> Outcome:
    """What a run makes of this estimator at this bit depth."""
    item = fitted(name)
    source = folder / f"{name}.pkl"
    source.write_bytes(pickle.dumps(item.model))
    held_out = write_held_out(item, folder / f"{name}.npz")
    settings = ModelSettings(
        bit_depth=bit_depth, gate=POLICY, latency_seconds=0, on_gate_failure="original"
    )
    return quantize_file(source, folder / "staging", settings, held_out)


def check_outcome(name: str, bit_depth: str, outcome: Outcome) -> None:
    """It was treated: a status with its reason, each component with its scheme, a usable file."""
    assert outcome.status in ALLOWED, outcome
    assert outcome.reason in REASONS[outcome.status], outcome
    assert outcome.note
    assert (outcome.name, outcome.bit_depth) == (name, bit_depth)
    assert outcome.family and outcome.model_type and outcome.artifact_sha256
    for line in outcome.components:
        assert line["reason"] and line["scheme"] and line["family"]
    if outcome.guarantee is Guarantee.EXACT:
        assert all(line["scheme"] == "exact" for line in outcome.components)
    json.dumps(outcome.to_json(), allow_nan=False)
    if outcome.artifact is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # a deprecated class says so
            mq.load(outcome.artifact).restore()


@pytest.mark.parametrize("name", estimator_names()[::3])
def test_a_third_at_8_bits(name: str, tmp_path: Path) -> None:
    check_outcome(name, "8", quantize(name, "8", tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("bit_depth", ["8", "16"])
@pytest.mark.parametrize("name", estimator_names())
def test_all_at_8_and_16_bits(name: str, bit_depth: str, tmp_path: Path) -> None:
    check_outcome(name, bit_depth, quantize(name, bit_depth, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", estimator_names())
def test_all_through_the_exact_recipe_are_published_as_exact(name: str, tmp_path: Path) -> None:
    outcome = quantize(name, "exact", tmp_path)
    check_outcome(name, "exact", outcome)
    if outcome.status is not Status.UNVERIFIED:
        assert outcome.guarantee is Guarantee.EXACT, outcome
