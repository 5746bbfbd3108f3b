"""The working directory that examples of pages assume, and the names that they use."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A working directory as the examples assume it, and the names that they use."""
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # modules that a page writes
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 1600)
    rows = rng.normal(size=(6, 300))[truth] + rng.normal(size=(1600, 300))
    model = LogisticRegression().fit(rows[:400], truth[:400])
    models, held_out = Path("ml/models"), Path("ml/holdout")
    models.mkdir(parents=True)
    held_out.mkdir()
    for name in ("my_model", "intent", "churn"):
        (models / f"{name}.pkl").write_bytes(pickle.dumps(model))
        np.savez(held_out / f"{name}.npz", X=rows[400:], target=truth[400:])
    Path("churn.pkl").write_bytes(pickle.dumps(model))
    table = pd.DataFrame(rows[400:], columns=[f"x{number}" for number in range(300)])
    table["target"] = truth[400:]
    table.to_parquet("churn.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield {"model": model, "train_data": rows, "rows": rows[:50], "truth": truth[:50]}
