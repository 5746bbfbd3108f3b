"""Data and questions that tests of probe rows share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from model_quantization.api import ModelQuantizer
from model_quantization.estimators.capture import capture
from model_quantization.probes.compare import ProbeReport
from model_quantization.probes.questions import probe_rows
from model_quantization.probes.rows import ProbeRows
from model_quantization.trust import TrustPolicy

ROWS = np.random.default_rng(3).normal(size=(120, 4)) * [1, 10, 0.1, 5] + [0, 100, 0, -3]
LABELS = (ROWS[:, 0] + ROWS[:, 2] * 3 > 0).astype(int) + (ROWS[:, 1] > 105)
TEXTS = ["red apple pie", "green apple", "blue sky over water", "water and salt"] * 6
TABLE = pd.DataFrame({"colour": ["red", "green", "blue", "red"] * 10, "size": np.arange(40.0)})


def rows_of(model: Any) -> ProbeRows:
    found = probe_rows(capture(model, TrustPolicy()), {"": model})
    assert found
    return found[""]


def probed(model: Any, bit_depth: int | str) -> ProbeReport:
    """What the probe rows showed while the model was quantized."""
    _, stats = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    return ProbeReport.from_json(stats["probes"][""])
