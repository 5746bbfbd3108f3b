"""What is asked of a booster that was pooled: the library's own answers, bit for bit."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_quantization.api import ModelQuantizer, quantize_model_file
from model_quantization.evaluation.agreement import same_bits
from model_quantization.predictor.quantized_model import QuantizedModel

RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(240, 6))
ROWS[:, 3] = RNG.integers(0, 40, len(ROWS))
ROWS[:, 4] = np.round(ROWS[:, 4], 1)
GAPS = np.where(RNG.random(ROWS.shape) < 0.15, np.nan, ROWS)
CODES = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int) + (ROWS[:, 2] > 1)
LABELS = np.array(["north", "south"])[(CODES > 0).astype(int)]
NUMBERS = ROWS[:, 0] * 3 + np.abs(ROWS[:, 3]) / 10 + RNG.normal(size=len(ROWS))
SHARES = (np.abs(NUMBERS) + 0.01) / (np.abs(NUMBERS).max() + 0.02)


@dataclass(frozen=True, slots=True)
class Pooled:
    """A booster as its pickle gives it back, and what became of it."""

    original: Any
    quantized: QuantizedModel
    stats: dict[str, Any]


def pooled(model: Any, bit_depth: str = "exact") -> Pooled:
    original = pickle.loads(pickle.dumps(model))
    made, stats = ModelQuantizer(bit_depth=bit_depth).quantize_model(original)
    assert isinstance(made, QuantizedModel)
    return Pooled(original, made, stats)


def odd_rows(rows: Any, near: Any = ()) -> dict[str, Any]:
    """Rows of every kind that a model may be asked about; `near`: thresholds to stand beside."""
    rng = np.random.default_rng(11)
    values = np.asarray(near, dtype=np.float64).ravel()
    edges = [-np.inf, np.inf, 0.0, -0.0, 1e-36, -1e-36, float(np.float32(1e-35)), 1e300, -1e300]
    edges += [-float(np.float32(1e-35)), 5e-324, 255.0, 256.0, -0.5, -1.0, 2.0**31, 2.0**40, 39.5]
    single = float32(values)
    beside = np.concatenate(
        [
            edges,
            values,
            *(
                np.nextafter(each, limit)
                for each in (values, single)
                for limit in (-np.inf, np.inf)
            ),
        ]
    )
    finite = np.where(
        np.isfinite(picked := rng.choice(beside, size=(64, rows.shape[1]))), picked, 0
    )
    wide = np.asfortranarray(np.tile(rows[:20], (1, 2)))
    return {
        "many": rows,
        "one": rows[:1],
        "no row is whole": GAPS[:40, : rows.shape[1]],
        "float32": rows.astype(np.float32),
        "odd": picked,
        "odd, finite": np.clip(finite, -1e30, 1e30),
        "odd, finite, float32": float32(np.clip(finite, -1e30, 1e30)),
        "odd, one": picked[:1],
        "odd, float32": float32(picked),
        "negative": -np.abs(rows) * 0.4,
        "Fortran": np.asfortranarray(rows[:33]),
        "strided": wide[:, ::2],
        "list": rows[:3].tolist(),
    }


def float32(rows: Any) -> Any:
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)


def integer_rows(rows: Any) -> dict[str, Any]:
    """Rows of integers, some too large for float32."""
    whole = np.rint(np.nan_to_num(rows) * 10).astype(np.int64)
    large = whole.copy()
    large[:, 0] = (1 << 24) + np.arange(len(rows)) - 100
    return {
        "integers": whole,
        "large integers": large,
        "bytes": whole.astype(np.int8),
        "flags": whole > 0,
        "list of integers": whole[:4].tolist(),
    }


METHODS = ("predict", "predict_proba", "decision_function")


def check_same_answers(held: Pooled, rows: dict[str, Any], *, restored: Any = None) -> None:
    """The quantized model, or the restored one, gives the original's bits, types and shapes."""
    other = held.quantized if restored is None else restored
    for name in METHODS:
        if not hasattr(held.original, name):
            continue
        for kind, each in rows.items():
            expected, got = (np.asarray(getattr(m, name)(each)) for m in (held.original, other))
            if expected.dtype.hasobject:
                assert expected.tolist() == got.tolist(), (name, kind)
            else:
                assert same_bits(expected, got), (name, kind, expected.dtype, got.dtype)


_ALONE = """
import sys
library, made, rows, got = sys.argv[1:]
sys.modules[library] = None
import numpy as np, model_quantization as mq
model = mq.load(made)
np.save(got, model.predict_proba(np.load(rows)))
assert "sklearn" not in sys.modules and "pandas" not in sys.modules
try:
    model.restore()
except Exception as error:
    print(type(error).__name__, error)
"""


def serve_alone(model: Any, rows: Any, workspace: Path, library: str) -> tuple[Any, str]:
    """The probabilities that a process without the library gives, and what `restore` says there."""
    source, made, asked, got = (workspace / n for n in ("m.pkl", "m.qma", "rows.npy", "got.npy"))
    source.write_bytes(pickle.dumps(model))
    quantize_model_file(source, made, bit_depth="exact")
    np.save(asked, rows)
    command = [sys.executable, "-c", _ALONE, library, *map(str, (made, asked, got))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return np.load(got), done.stdout
