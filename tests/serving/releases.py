"""Real releases of one small model, published in turn while it is served.

The model of release `n` answers row `i` with the label `"<n>:<class>"`, so that an answer says
which release it comes from, and whether it is the right one.
"""

from __future__ import annotations

import json
import pickle
import warnings
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from model_quantization.files.atomic import write_atomically, write_json
from model_quantization.pipeline.in_memory import quantize_live_model
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy

ROWS = np.random.default_rng(0).normal(size=(40, 8))


def model_of(number: int, flipped: bool = False) -> LogisticRegression:
    """The model of a release; flipped, it answers every row differently."""
    labels = np.where((ROWS[:, 0] > 0) ^ flipped, f"{number}:yes", f"{number}:no")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=100.0).fit(ROWS, labels)


@dataclass
class Releases:
    """A model directory and the releases in it.

    Attributes
    ----------
    models : Path
    answers : dict of int to array
        By release: the labels of `ROWS`.
    """

    models: Path
    answers: dict[int, Any] = field(default_factory=dict)
    _made: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        return self.models / "quantized"

    @property
    def manifest(self) -> Path:
        return self.output / "manifest.json"

    def prepare(self, number: int, *, wrong: bool = False) -> None:
        """Make the model of a release and its artifact; a wrong one answers differently."""
        original = model_of(number)
        made = quantize_live_model(model_of(number, wrong), recipe_for("exact"), TrustPolicy())
        self._made[number] = (pickle.dumps(original), made.data)
        self.answers[number] = original.predict(ROWS)

    def publish(self, number: int, *, release: int | None = None) -> Path:
        """Release a prepared model as the current one; where its artifact lies."""
        pickled, data = self._made[number]
        write_atomically(self.models / "intent.pkl", pickled, flush=False)
        digest = sha256(data).hexdigest()
        path = self.output / "objects" / f"{digest}.qma"
        write_atomically(path, data, flush=False)
        entry = {
            "status": "published", "guarantee": "exact", "reason": "", "note": "",
            "artifact": f"objects/{digest}.qma", "artifact_sha256": digest,
            "artifact_size_bytes": len(data), "source": "../intent.pkl",
            "source_sha256": sha256(pickled).hexdigest(), "source_size_bytes": len(pickled),
            "fingerprint": str(number), "bit_depth": "exact", "model_type": "LogisticRegression",
        }  # fmt: skip
        record = {
            "format": "qma-release",
            "version": 1,
            "release": number if release is None else release,
            "created": "2026-11-24T02:00:03Z",
            "models": {"intent": entry},
        }
        write_json(self.manifest, record, flush=False)
        return path

    def republish(self, release: int) -> None:
        """A new release in which this model is what it was."""
        record = json.loads(self.manifest.read_text())
        write_json(self.manifest, record | {"release": release}, flush=False)
