"""`quantize_model_file`: one file, with evaluation where there is held-out data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_quantization.api.arguments import bit_depth_of, nothing_to_choose_by, path_of
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import ConfigError, PathRefused, told
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.extras import QUANTIZE, need
from model_quantization.files.atomic import write_atomically
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome
from model_quantization.records import ErrorRecord


def quantize_model_file(
    input_path: str | Path,
    output_path: str | Path | None = None,
    bit_depth: int | str = 8,
    weight_threshold: float = 0.001,
    *,
    recipe: str | None = None,
    held_out: str | Path | None = None,
    target: str | Sequence[str] = "target",
    gate: GatePolicy | None = None,
    use_dynamic_quantization: bool = True,
    calibration_rows: int = 0,
    calibration: str | Path | None = None,
    refit_rows: str | Path | None = None,
    max_bytes: int = 0,
    target_ratio: float = 0.0,
    time_budget_seconds: float = 0.0,
    trusted: Sequence[str] = (),
    overrides: Sequence[tuple[str, dict[str, Any]]] = (),
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Quantize one model file and return its outcome.

    Parameters
    ----------
    input_path : path
        A pickle, joblib or skops file. It is read, never changed.
    output_path : path, optional
        The artifact; by default the input's name with the ending `.qma`.
    bit_depth : {8, 16, 32, "exact", "auto"}
        `auto`: each part of the model gets a precision of its own, and the smallest artifact
        that passes the gate is written (needs `held_out`).
    weight_threshold : float
        Weights of smaller magnitude become zero, where that does not move the scores.
    recipe : str, optional
        `exact` in place of `bit_depth`: nothing is rounded.
    held_out : path, optional
        Parquet, CSV or NPZ file to evaluate on. Without it only an artifact that
        rounds nothing is written, unless `gate` says otherwise.
    target : str or sequence of str
        Its target column or columns.
    gate : GatePolicy, optional
        The limits within which the artifact is written.
    use_dynamic_quantization : bool
        Ranges per channel.
    calibration_rows : int
        The first so many held-out rows choose ranges, and are not evaluated on.
    calibration : path, optional
        Rows on which `auto` chooses, so that the gate keeps all held-out rows; targets are not
        needed. Without it held-out rows are divided, where there are enough.
    refit_rows : path, optional
        Rows that the model was trained on, with their targets: `auto` trains the weights of linear
        models and networks with them for the grid that they are stored on. The gate never uses
        them. Where held-out rows are too few to divide and there is no `calibration`, `auto` also
        chooses on them.
    max_bytes : int
        With `auto`: judge the plan that changes the answers least within so many bytes, and no
        other. 0: no limit.
    target_ratio : float
        The same, as how many times smaller than the original. 0: no limit.
    time_budget_seconds : float
        With `auto`: about how long options may be measured, counted in work, so that the same
        input gives the same bytes. 0: every option is measured.
    trusted, overrides
        As in `ModelQuantizer`.
    limits : Limits, optional

    Returns
    -------
    dict
        `input_path, output_path` (None when the original stays), `model_type, bit_depth,
        weight_threshold, original_size_bytes, quantized_size_bytes,
        file_size_reduction_percent, guarantee, status, reason, note, notes, components,
        evaluation`. `notes` says, among others, which version saved the model and whether it
        answers as it did there. A notebook shows the dict as a table.

    Raises
    ------
    QuantizationError
        The file is refused, or the model cannot be treated; the message says what to do. A model
        that fails the gate or gains nothing does not raise: its `status` says so.

    Examples
    --------
    >>> import joblib
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> paths = joblib.dump(model, "digits.joblib")
    >>> result = quantize_model_file("digits.joblib", bit_depth="exact")
    >>> result["status"], result["guarantee"], result["output_path"]
    ('published', 'exact', 'digits.qma')

    With held-out rows:

    >>> import numpy as np
    >>> np.savez("digits.npz", X=rows[900:], target=labels[900:])
    >>> quantize_model_file("digits.joblib", bit_depth=16, held_out="digits.npz")["score_change"]
    0.0
    """
    need("quantizing a model", *QUANTIZE)
    from model_quantization.names import model_name
    from model_quantization.pipeline.stages import quantize_file
    from model_quantization.report.results import FileResult
    from model_quantization.report.summary import summarise

    source = path_of(input_path, "input_path", "a model's file")
    if bit_depth_of(bit_depth, recipe) == "auto" and held_out is None:
        raise nothing_to_choose_by("pass held_out=...")
    settings = ModelSettings(
        bit_depth=bit_depth_of(bit_depth, recipe),
        weight_threshold=weight_threshold,
        dynamic=use_dynamic_quantization,
        overrides=tuple(overrides),
        gate=gate or GatePolicy(),
        trusted=tuple(trusted),
        limits=limits or Limits(),
        target=(target,) if isinstance(target, str) else tuple(target),
        calibration_rows=calibration_rows,
        max_bytes=max_bytes,
        target_ratio=target_ratio,
        time_budget_seconds=time_budget_seconds,
    )
    chosen_from = {"calibration": calibration, "refit_rows": refit_rows}
    for name, path in chosen_from.items():
        if path is not None and settings.bit_depth != "auto":
            raise ConfigError(
                "a file of rows for a precision that is chosen from rows",
                where=name,
                expected='bit_depth="auto" beside it',
                got=f"bit_depth {settings.bit_depth!r}",
                do="leave it out; ranges of other bit depths are chosen by calibration_rows",
            )
    if output_path is None:
        destination = source.with_name(f"{model_name(source.name)}.qma")
    else:
        destination = path_of(output_path, "output_path", "the artifact")
    _check_writable(destination)
    with tempfile.TemporaryDirectory(prefix="quantize-") as staging:
        outcome = quantize_file(
            source,
            Path(staging),
            settings,
            Path(held_out) if held_out is not None else None,
            *(Path(path) if path is not None else None for path in chosen_from.values()),
        )
        _raise_failure(outcome)
        if outcome.artifact is not None:
            _write(destination, Path(outcome.artifact).read_bytes())
    record = FileResult(summarise([outcome])["models"][outcome.name])
    record["output_path"] = str(destination) if outcome.artifact is not None else None
    record["evaluation"] = outcome.evaluation
    return record


def _check_writable(destination: Path) -> None:
    """Raise before anything is measured, when the artifact could not be written afterwards."""
    above = next(path for path in destination.absolute().parents if path.exists())
    if not above.is_dir():
        raise _unwritable(destination, f"{above} is a file")
    if not os.access(above, os.W_OK | os.X_OK):
        raise _unwritable(destination, f"this user may not write to {above}")
    if destination.is_dir():
        raise _unwritable(destination, "this is a directory")


def _write(destination: Path, data: bytes) -> None:
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(destination, told(error)) from error
    write_atomically(destination, data)


def _unwritable(destination: Path, got: str) -> PathRefused:
    return PathRefused(
        "the artifact cannot be written",
        where=str(destination),
        expected="a place in a directory that this user may write to",
        got=got,
        do="name another output",
    )


def _raise_failure(outcome: Outcome) -> None:
    error = outcome.evaluation.get("error")
    if error is not None:
        raise ErrorRecord.from_json(error).error()
