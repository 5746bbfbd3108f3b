"""An artifact that is broken makes the command fail, and its message says where to report it."""

from __future__ import annotations

import importlib.metadata
import pickle
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from model_quantization.commands.application import main
from model_quantization.evaluation.gate import failed_artifact
from model_quantization.outcome import Reason
from model_quantization.version import report_it

ROWS = np.random.default_rng(0).normal(size=(200, 4))


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    made = RandomForestRegressor(4, random_state=0).fit(ROWS, 10 * ROWS[:, 0])
    (tmp_path / "price.pkl").write_bytes(pickle.dumps(made))
    return tmp_path / "price.pkl"


def test_a_broken_artifact_is_exit_code_1(
    forest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = failed_artifact(Reason.DIFFERS, f"its answers differ; {report_it()}")
    monkeypatch.setattr("model_quantization.pipeline.evaluator._fault", lambda *_, **__: broken)
    assert main(["quantize", str(forest)]) == 1
    shown = capsys.readouterr().out
    assert "verdict  failed" in shown and not forest.with_suffix(".qma").exists()
    assert "report it to the maintainers of your copy of this package, with the model's" in shown


def test_strict_means_the_same_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = np.random.default_rng(1).normal(size=(60, 900))
    model = LogisticRegression().fit(wide, wide[:, 0] > 0)
    (tmp_path / "churn.pkl").write_bytes(pickle.dumps(model))
    assert main(["quantize", str(tmp_path / "churn.pkl"), "--strict"]) == 0  # exact needs no rows
    monkeypatch.setattr(
        "model_quantization.pipeline.evaluator.Evaluator.rounding_is_to_blame", lambda *_: False
    )
    assert main(["quantize", str(tmp_path / "churn.pkl")]) == 0
    assert main(["quantize", str(tmp_path / "churn.pkl"), "--strict"]) == 1
    assert "verdict  unverified" in capsys.readouterr().out


def test_the_tracker_is_the_one_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Message()
    known["Project-URL"] = "Homepage, https://example.org"
    known["Project-URL"] = "Issues, https://example.org/issues"
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: known)
    assert report_it().startswith("report it at https://example.org/issues, with ")


def test_scores_that_overflow_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ROWS[:, 0] * 1e219
    with np.errstate(over="ignore"):
        made = RandomForestRegressor(4, random_state=0).fit(ROWS, target)
    (tmp_path / "price.pkl").write_bytes(pickle.dumps(made))
    np.savez(tmp_path / "price.npz", X=ROWS, target=target)
    assert main(["quantize", str(tmp_path / "price.pkl"), "--held-out", str(tmp_path)]) == 0
    assert "every bit of every answer is the same" in capsys.readouterr().out
