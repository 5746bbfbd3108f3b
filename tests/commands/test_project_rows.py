"""`quantize` in a project proves on the project's rows, and no proof is lost in silence."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from model_quantization.commands.application import main

ROWS, LABELS = make_classification(
    1500, 120, n_informative=20, n_classes=3, class_sep=3.0, flip_y=0, random_state=0
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ML_MODEL_DIR", "MLQ_HOLDOUT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    model = LogisticRegression(max_iter=300).fit(ROWS[:300], LABELS[:300])
    (folder / "models" / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(folder / "holdout" / "churn.npz", X=ROWS[300:], target=LABELS[300:])
    monkeypatch.chdir(folder)
    return folder


def _done(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def test_quantize_in_a_project_keeps_the_proof_of_run(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = _done(capsys, "run")
    proven = first["models"]["churn"]
    assert proven["guarantee"] in ("label_exact", "non_inferior") and first["remarks"] == []
    again, told = _done(capsys, "quantize")
    assert again["models"]["churn"]["guarantee"] == proven["guarantee"]
    assert f"note: the held-out rows are the project's, {project / 'holdout'}" in told
    monkeypatch.chdir(project.parent)
    outside, told = _done(capsys, "quantize", "shop/models")
    assert outside["release"] == again["release"] == 1
    assert outside["models"]["churn"]["unchanged"] and "the project's" in told
    single, told = _done(capsys, "quantize", "shop/models/churn.pkl", "--output-dir", "single")
    assert single["guarantee"] == proven["guarantee"] and "churn.npz" in told


def test_rows_that_are_named_are_used_instead(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "rows").mkdir()
    made, told = _done(capsys, "quantize", "--held-out", str(tmp_path / "rows"))
    assert made["models"]["churn"]["score_before"] is None and "the project's" not in told
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "churn.pkl").write_bytes((project / "models/churn.pkl").read_bytes())
    made, told = _done(capsys, "quantize", str(tmp_path / "models"))
    assert made["models"]["churn"]["score_before"] is None and told == ""


def test_an_artifact_that_loses_its_proof_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _done(capsys, "run")
    (tmp_path / "rows").mkdir()
    capsys.readouterr()
    assert main(["quantize", "--held-out", str(tmp_path / "rows")]) == 0
    told = capsys.readouterr().err
    assert "note: churn: release 1 served an artifact that was proven on held-out rows" in told
    assert "`model-quantization rollback`" in told and told.count("\n") == 1
    again, _ = _done(capsys, "quantize", "--held-out", str(tmp_path / "rows"))
    assert again["remarks"] == []  # nothing was replaced this time


def test_held_out_files_of_no_model_are_named_once(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = project / "holdout"
    for name in ("chrun.csv", "churn.calibration.npz", "churn.refit.csv.gz", "eu/price.parquet"):
        (rows / name).parent.mkdir(exist_ok=True)
        (rows / name).write_bytes(b"")
    made, _ = _done(capsys, "run")
    (remark,) = made["remarks"]
    assert remark == (
        f"2 held-out files in {rows} belong to no model: chrun.csv, eu/price.parquet; a file has "
        "the name of its model, such as churn.parquet."
    )
