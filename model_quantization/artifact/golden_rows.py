"""Golden rows: a few held-out rows and what the artifact answered when it was made.

A loader asks them again before it serves: another processor, another library, a damaged cache
show here, not in production.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.artifact.tables import MOST_DIMENSIONS, read_dtype
from model_quantization.errors import FormatError, PredictionError, QuantizationError
from model_quantization.graph.values import MISFITS

ROWS = 4
TOLERANCE = 1e-5  # of the larger magnitude: other processors add in another order
_METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


def golden_rows(model: Any, rows: Any, budget_bytes: int) -> dict[str, Any] | None:
    """Return golden rows for an artifact, or None when rows are of a kind that is not kept.

    Parameters
    ----------
    model : QuantizedModel
        What answers; its answers are recorded.
    rows : ndarray or list of str
        Held-out rows; the first few are kept.
    budget_bytes : int
        Rows and answers may take this much of the file; fewer rows are kept to fit, or none.
    """
    for count in range(min(ROWS, len(rows)), 0, -1):
        if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "fiu":
            kept: Any = _encode(np.asarray(rows[:count], dtype=np.float64))
        elif isinstance(rows, list) and all(isinstance(text, str) for text in rows[:count]):
            kept = list(rows[:count])
        else:
            return None
        answers = {}
        for method in _METHODS:
            if method in getattr(model, "fast_methods", ()):
                answer = np.asarray(getattr(model, method)(_decode_rows(kept)))
                if answer.dtype.kind in "fiubU":
                    answers[method] = _encode(answer)
        golden = {"rows": kept, "answers": answers}
        size = sum(len(str(part)) for part in (kept, answers))
        if answers and size <= budget_bytes:
            return golden
    return None


def run_self_test(model: Any, golden: dict[str, Any] | None) -> bool:
    """Ask the golden rows again.

    Returns
    -------
    bool
        False when there are none.

    Raises
    ------
    PredictionError
        An answer differs: labels at all, numbers by more than `TOLERANCE`; or there is none.
    FormatError
        The golden rows are not golden rows.
    """
    if golden is None:
        return False
    rows = _decode_rows(golden.get("rows"))
    answers = golden.get("answers")
    if not isinstance(answers, dict):
        raise FormatError("golden rows without answers", where="golden")
    for method, recorded in answers.items():
        if method not in _METHODS or not hasattr(model, method):
            raise FormatError(
                "golden rows for a method that is not there", where=f"golden/{method}"
            )
        expected = _decode(recorded)
        try:
            got = np.asarray(getattr(model, method)(rows))
        except QuantizationError:
            raise
        except MISFITS as error:
            raise PredictionError(
                f"{method} cannot answer the golden rows",
                where=f"golden/{method}",
                got=f"{type(error).__name__}: {error}",
                do="quantize the model again on this machine",
            ) from error
        if not _same(expected, got):
            raise PredictionError(
                f"{method} answers the golden rows differently than when the artifact was made",
                where=f"golden/{method}",
                do="quantize the model again on this machine",
            )
    return True


def _same(expected: Array, got: Array) -> bool:
    if expected.shape != got.shape:
        return False
    if expected.dtype.kind in "fc" and got.dtype.kind in "fc":
        size = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
        return bool(
            np.allclose(got, expected, rtol=TOLERANCE, atol=TOLERANCE * size, equal_nan=True)
        )
    return bool(np.array_equal(expected, got))


def _encode(array: Array) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def _decode(record: Any) -> Array:
    if not isinstance(record, dict) or set(record) != {"dtype", "shape", "data"}:
        raise FormatError("not an array of golden rows", where="golden", got=repr(record)[:80])
    dtype = read_dtype(record["dtype"], "golden")
    shape = record["shape"]
    if dtype.kind not in "fiubU" or not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise FormatError("not an array of golden rows", where="golden", got=repr(record)[:80])
    try:
        raw = base64.b64decode(record["data"], validate=True)
        if not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"shape {shape}")
        return np.frombuffer(raw, dtype=dtype).reshape(shape)
    except MISFITS as error:
        raise FormatError(f"not an array of golden rows: {error}", where="golden") from None


def _decode_rows(record: Any) -> Any:
    if isinstance(record, list) and all(isinstance(text, str) for text in record):
        return record
    return _decode(record)
