"""Files of rows to choose on, and of rows to train on, beside a model's held-out file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_quantization.batch.plan import Job, plan_batch
from model_quantization.config.run_config import RunConfig


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    rows = np.random.default_rng(0).normal(size=(60, 3))
    for name in ("models", "rows"):
        (tmp_path / name).mkdir()
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    (tmp_path / "models" / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(tmp_path / "rows" / "churn.npz", X=rows, target=rows[:, 0] > 0)
    np.savez(tmp_path / "rows" / "churn.calibration.npz", X=rows + 1)
    return tmp_path


def job(folders: Path, bit_depth: str, **more: Any) -> Job:
    config = RunConfig(
        model_dir=str(folders / "models"),
        output_dir=str(folders / "out"),
        holdout_dir=str(folders / "rows"),
        bit_depth=bit_depth,
        **more,
    )
    (only,) = plan_batch(config).jobs
    return only


def test_auto_takes_the_file_of_the_models_name(folders: Path) -> None:
    found = job(folders, "auto")
    assert found.calibration == folders / "rows" / "churn.calibration.npz"
    assert found.held_out == folders / "rows" / "churn.npz"
    assert job(folders, "8").calibration is None
    assert Job.from_json(found.to_json()) == found


def test_other_calibration_rows_are_another_job(folders: Path) -> None:
    before, eight = job(folders, "auto").fingerprint, job(folders, "8").fingerprint
    np.savez(folders / "rows" / "churn.calibration.npz", X=np.ones((60, 3)))
    assert job(folders, "auto").fingerprint != before
    assert job(folders, "8").fingerprint == eight
    (folders / "rows" / "churn.calibration.npz").unlink()
    assert job(folders, "auto").calibration is None


def test_labelled_training_rows_are_found_by_name_or_where_the_configuration_says(
    folders: Path,
) -> None:
    without = job(folders, "auto")
    assert without.refit is None
    content = {"X": np.ones((9, 3)), "target": np.zeros(9)}
    beside, elsewhere = folders / "rows" / "churn.refit.npz", folders / "train"
    elsewhere.mkdir()
    np.savez(beside, **content)
    np.savez(elsewhere / "churn.refit.npz", **content | {"target": np.ones(9)})
    first = job(folders, "auto")
    assert first.refit == beside and job(folders, "8").refit is None
    second = job(folders, "auto", refit_rows=str(elsewhere))
    assert second.refit == elsewhere / "churn.refit.npz"
    third = job(folders, "auto", refit_rows=str(beside))
    assert third.refit == beside
    assert len({each.fingerprint for each in (without, first, second)}) == 3
    assert Job.from_json(first.to_json()) == first


def test_training_rows_that_are_not_there_are_a_failure_of_the_model(folders: Path) -> None:
    config = RunConfig(
        model_dir=str(folders / "models"),
        output_dir=str(folders / "out"),
        holdout_dir=str(folders / "rows"),
        bit_depth="auto",
        refit_rows=str(folders / "nowhere"),
    )
    plan = plan_batch(config)
    assert not plan.jobs and "the training rows do not exist" in plan.settled[0].note
