"""A directory of many small models that change from night to night."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB

from model_quantization.files.atomic import hash_file, write_atomically

FEATURES = 120
EVALUATED = 10  # one model of so many has held-out rows
_CHANCE = np.random.default_rng(0)
_ROWS = _CHANCE.normal(size=(400, FEATURES))
_LABELS = (_ROWS[:, :4].sum(axis=1) > 0).astype(int)
_KINDS = (
    Ridge().fit(_ROWS[:200], _ROWS[:200, 0]),
    LogisticRegression(max_iter=200).fit(_ROWS[:200], _LABELS[:200]),
    GaussianNB().fit(_ROWS[:200], _LABELS[:200]),
)


class ModelDirectory:
    """Models by name, each in a revision; its configuration publishes whatever is not worse.

    Parameters
    ----------
    root : Path
        Where `models`, `holdout` and `run.yaml` are made.
    output : Path, optional
        The output directory, when it is not the usual one below the models.
    """

    def __init__(self, root: Path, output: Path | None = None) -> None:
        self.models = root / "models"
        self.holdout = root / "holdout"
        self.output = output or self.models / "quantized"
        self.config = root / "run.yaml"
        self.models.mkdir(parents=True)
        self.holdout.mkdir()
        values = {
            "model_dir": str(self.models),
            "holdout_dir": str(self.holdout),
            "output_dir": str(self.output),
            "latency_seconds": 0,
            "n_workers": 1,
            "keep_releases": 3,
            "gate": {
                "publish_unverified": True,
                "publish_inconclusive": True,
                "min_size_reduction": -10,
                "bootstrap_repeats": 100,
            },
        }
        self.config.write_text(yaml.safe_dump(values))

    def write(self, numbers: Iterable[int], revision: int) -> None:
        """The models of these numbers are now those of `revision`; each file is replaced whole."""
        for number in numbers:
            write_atomically(self.path(number), _pickled(number, revision), flush=False)
            if number % EVALUATED == 0:
                target = _ROWS[200:, 0] if number % len(_KINDS) == 0 else _LABELS[200:]
                np.savez(self.holdout / f"{name_of(number)}.npz", X=_ROWS[200:], target=target)

    def remove(self, number: int) -> None:
        """The model is gone, and its rows."""
        self.path(number).unlink()
        (self.holdout / f"{name_of(number)}.npz").unlink(missing_ok=True)

    def path(self, number: int) -> Path:
        """Where the model lies."""
        return self.models / f"{name_of(number)}.pkl"

    def hashes(self) -> dict[str, str]:
        """The sha256 of every model that is there, by name."""
        return {path.stem: hash_file(path)[0] for path in sorted(self.models.glob("*.pkl"))}


def name_of(number: int) -> str:
    """The name of the model of a number."""
    return f"m{number:03}"


def _pickled(number: int, revision: int) -> bytes:
    model = pickle.loads(pickle.dumps(_KINDS[number % len(_KINDS)]))
    # Distinct content, and the same answers: each is an artifact of its own, and passes its gate.
    model.note_ = f"model {number}, revision {revision}"
    return pickle.dumps(model)
