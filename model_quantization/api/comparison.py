"""`compare_model_performance`: two models, or files of them, on the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_quantization.errors import ConfigError, QuantizationError
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.extras import ESTIMATORS, need
from model_quantization.trust import TrustPolicy


def compare_model_performance(
    original: Any,
    quantized: Any,
    X: Any,
    y: Any = None,
    *,
    trusted: Sequence[str] = (),
    metric: str = "auto",
    budget_seconds: float = 0.2,
) -> dict[str, Any]:
    """Compare two models on the same rows: scores, agreement, speed, loading, memory and size.

    Parameters
    ----------
    original, quantized : path or object
        Files (a pickle or joblib file, or a `.qma` artifact) or models. Loading time and resident
        memory are measured for files only, each in a fresh process.
    X : DataFrame, ndarray or list of str
        Rows as `predict` takes them.
    y : array-like, optional
        The truth; without it the quantized model is scored by agreement with the original.
    trusted : sequence of str
        User classes that the files may hold.
    metric : str
        `auto`, or the name of a metric.
    budget_seconds : float
        Time budget of each latency figure.

    Returns
    -------
    dict
        See `model_quantization.evaluation.compare.compare`. A notebook shows it as a table.

    Raises
    ------
    QuantizationError
        A file that is refused, or models with nothing to compare.

    Examples
    --------
    >>> import model_quantization as mq
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
    >>> figures = compare_model_performance(model, quantized, X=rows[900:], y=labels[900:])
    >>> figures["agreement"], figures["metric"]
    (1.0, 'accuracy')
    """
    need("comparing models", *ESTIMATORS)
    from model_quantization.evaluation.compare import compare
    from model_quantization.report.results import Comparison

    return Comparison(
        compare(
            _subject(original, tuple(trusted)),
            _subject(quantized, tuple(trusted)),
            X,
            y,
            policy=GatePolicy(metric=metric),
            budget_seconds=budget_seconds,
        )
    )


def _subject(model: Any, trusted: tuple[str, ...]) -> Any:
    from model_quantization.evaluation.compare import LoadCost, Subject

    if not isinstance(model, str | Path):
        return Subject(model=model)
    path = Path(model)
    if not path.is_file():
        raise ConfigError(
            "no such model file", where=str(path), do="pass an existing path, or the model itself"
        )

    def measure() -> LoadCost:
        command = [
            sys.executable,
            "-m",
            "model_quantization.pipeline.child.load_cost",
            str(path),
            *trusted,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise QuantizationError(
                "the model does not load in a fresh process",
                where=str(path),
                got=done.stderr.strip().rpartition("\n")[2],
            )
        return LoadCost.from_json(json.loads(done.stdout))

    return Subject(
        load=lambda: open_any(path, trusted), size_bytes=path.stat().st_size, measure=measure
    )


def open_any(path: Path, trusted: tuple[str, ...] = ()) -> Any:
    """Return the model of a `.qma` artifact, or of a pickle or joblib file that passes the scan."""
    if path.suffix == ".qma":
        from model_quantization.predictor.opening import load

        return load(path, trusted=trusted)
    from model_quantization.loading.pickles.original import load_original

    return load_original(path, trust=TrustPolicy(frozenset(trusted)))[0]
