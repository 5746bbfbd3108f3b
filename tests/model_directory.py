"""A directory of small trained models with held-out data, for the tests of whole runs."""

from __future__ import annotations

import pickle
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAMES = ("eu/price", "forest", "linear", "tiny")


def write_models(root: Path) -> tuple[Path, Path]:
    """(model directory, held-out directory) below `root`: four models of four kinds."""
    models, held_out = root / "models", root / "holdout"
    (models / "eu").mkdir(parents=True)
    (held_out / "eu").mkdir(parents=True)
    X, y = make_classification(1200, 200, n_informative=20, class_sep=4, flip_y=0, random_state=0)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X[:500], y[:500])
    forest = RandomForestClassifier(10, random_state=0).fit(X[:500, :20], y[:500])
    tiny = GaussianNB().fit(X[:500, :2], y[:500])
    (models / "linear.pkl").write_bytes(pickle.dumps(linear))
    joblib.dump(forest, models / "forest.joblib.gz")
    (models / "tiny.sav").write_bytes(pickle.dumps(tiny))
    for name, columns in (("linear", 200), ("forest", 20), ("tiny", 2)):
        np.savez(held_out / f"{name}.npz", X=X[500:, :columns], target=y[500:])
    X, y = make_regression(1500, 300, noise=5.0, random_state=0)
    (models / "eu" / "price.pkl").write_bytes(pickle.dumps(Ridge().fit(X[:500], y[:500])))
    frame = pd.DataFrame(X[500:], columns=[f"x{index}" for index in range(300)])
    frame.assign(target=y[500:]).to_csv(held_out / "eu" / "price.csv", index=False)
    return models, held_out


def write_attack(models: Path, name: str = "evil") -> Path:
    """A pickle that would run a command; nothing may ever load it."""
    path = models / f"{name}.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch attacked'\ntR.")
    return path
