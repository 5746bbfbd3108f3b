"""From a held-out file in another spelling to what the table says of it."""

from __future__ import annotations

import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from model_quantization.outcome import Outcome, Status
from model_quantization.pipeline.stages import quantize_file
from tests.pipeline.test_stages import QUICK

N = 600
ROWS = np.random.default_rng(1).normal(size=(N, 40))
PLACES = (ROWS @ np.random.default_rng(2).normal(size=(40, 4))).argmax(axis=1)


def judged(tmp_path: Path, labels: list[Any], targets: Any, suffix: str) -> Outcome:
    """What becomes of a model, pruned to nothing, whose targets are written as `targets`."""
    known = np.array(labels)[PLACES]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(LinearSVC().fit(ROWS, known)))
    frame = pd.DataFrame(ROWS).rename(columns=str).assign(target=targets(known))
    path = tmp_path / f"rows{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    return quantize_file(tmp_path / "m.pkl", tmp_path / "staging", QUICK, path)


CASES: dict[str, tuple[list[Any], Any, str]] = {
    "zero-padded": (["01", "02", "03", "04"], list, ".csv"),
    "text like booleans": (["true", "false", "t", "f"], list, ".csv"),
    "exponents": (["1e2", "2e2", "3e2", "4e2"], list, ".csv"),
    "decimals": ([1, 2, 3, 4], lambda known: [Decimal(int(value)) for value in known], ".parquet"),
}


@pytest.mark.parametrize("case", CASES)
def test_targets_in_another_form_are_scored(tmp_path: Path, case: str) -> None:
    outcome = judged(tmp_path, *CASES[case])
    assert outcome.score_before is not None, outcome.note
    assert outcome.score_before > 0.8


@pytest.mark.bad_input(50)
def test_targets_that_are_no_classes_prove_nothing(tmp_path: Path) -> None:
    outcome = judged(
        tmp_path, ["a", "b", "c", "d"], lambda known: [f"{value} " for value in known], ".csv"
    )
    assert outcome.status is Status.FAILED
    assert not outcome.published
    assert "'a'" in outcome.note
    assert "'a '" in outcome.note


def test_labels_that_the_model_never_saw_are_in_the_tables_note(tmp_path: Path) -> None:
    outcome = judged(
        tmp_path, ["a", "b", "c", "d"], lambda known: ["new"] * 30 + list(known[30:]), ".csv"
    )
    assert "30 of 600 held-out targets are no class of the model: 'new' (30 rows)" in outcome.note
    assert outcome.score_before is not None


def test_zero_padded_categories_reach_the_model_as_text(tmp_path: Path) -> None:
    names = np.array([f"{place:02}" for place in range(20)])
    frame = pd.DataFrame({"zip": names[np.random.default_rng(3).integers(20, size=N)]})
    labels = np.where(frame["zip"] < "10", "north", "south")
    model = make_pipeline(OneHotEncoder(), LinearSVC()).fit(frame, labels)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    frame.assign(target=labels).to_csv(tmp_path / "rows.csv", index=False)
    outcome = quantize_file(tmp_path / "m.pkl", tmp_path / "staging", QUICK, tmp_path / "rows.csv")
    assert outcome.score_before == 1.0, outcome.note
