"""A score is written as people know its metric; a negative change is a loss all the same."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from model_quantization.api import quantize_model_file
from model_quantization.commands.application import main
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.report.table import score_text, table_rows
from tests.report.made import make_outcome

ROWS, LABELS = make_classification(1200, 60, n_informative=10, class_sep=0.8, random_state=0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known")
    model = LogisticRegression(max_iter=300).fit(ROWS[:300], LABELS[:300])
    (folder / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(folder / "churn.npz", X=ROWS[300:], target=LABELS[300:])
    return folder


def test_log_loss_is_positive_in_every_text(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = GatePolicy(metric="log_loss", allowed_drop=0.5, min_size_reduction=-9)
    record = quantize_model_file(
        shop / "churn.pkl", bit_depth=8, held_out=shop / "churn.npz", gate=gate
    )
    assert record["metric"] == "log_loss" and record["score_before"] < 0  # higher is better
    known = f"{-record['score_before']:.4f}"
    assert f"log_loss {known} -> " in record["note"]
    assert f"{-record['score_before']:.3f}" in record._repr_html_()
    assert "-0." not in record["note"]
    assert main(["inspect", str(shop / "churn.qma")]) == 0
    shown = capsys.readouterr().out
    assert f"log_loss {known} -> " in shown and f"score_before         {known[:5]}" in shown
    models = [str(shop / "churn.pkl"), str(shop / "churn.qma")]
    assert (
        main(["compare", *models, "--held-out", str(shop / "churn.npz"), "--metric", "log_loss"])
        == 0
    )
    (line,) = (row for row in capsys.readouterr().out.splitlines() if row.startswith("log_loss"))
    assert float(line.split()[1]) > 0


def test_a_rise_of_log_loss_is_a_negative_change() -> None:
    outcome = make_outcome(
        "a", metric="log_loss", score_before=-0.25, score_after=-0.5, score_change=-0.25
    )
    (row,) = table_rows([outcome])
    assert (row["score"], row["change"]) == ("0.250 -> 0.500", "-0.25")
    assert score_text(-3.0, -4.0, "neg_mae") == "-3.000 -> -4.000"  # its name says so
