"""`model-quantization quantize`: quantizes one model file, or every model of a directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_quantization.commands.batch_run import run_directory, settings
from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import (
    AllowedDrop,
    AsJson,
    BitDepthOption,
    Calibration,
    Force,
    HeldOut,
    JUnit,
    MaxBytes,
    Only,
    OutputDir,
    PublicKey,
    SigningKey,
    Strict,
    Target,
    TargetRatio,
    TimeBudget,
    Trusted,
    WeightThreshold,
    Workers,
)
from model_quantization.commands.output import print_json
from model_quantization.errors import ConfigError

if TYPE_CHECKING:
    from model_quantization.config.run_config import RunConfig

MODEL_DIR = "ml/models"


def quantize(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A model file, or a directory of models (default: ML_MODEL_DIR, else ml/models).",
            show_default=False,
        ),
    ] = None,
    output_dir: OutputDir = None,
    held_out: HeldOut = None,
    bit_depth: BitDepthOption = None,
    weight_threshold: WeightThreshold = None,
    allowed_drop: AllowedDrop = None,
    max_bytes: MaxBytes = None,
    target_ratio: TargetRatio = None,
    time_budget: TimeBudget = None,
    calibration: Calibration = None,
    target: Target = None,
    trusted: Trusted = None,
    only: Only = None,
    force: Force = None,
    strict: Strict = None,
    workers: Workers = None,
    signing_key: SigningKey = None,
    public_key: PublicKey = None,
    junit: JUnit = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Quantize a model file or a directory.

    A directory becomes a release with a manifest. A file becomes one artifact. Without held-out
    data only artifacts that round nothing are written.
    """
    given: dict[str, Any] = {
        "output_dir": output_dir,
        "held_out": held_out,
        "bit_depth": bit_depth,
        "weight_threshold": weight_threshold,
        "allowed_drop": allowed_drop,
        "target": target,
        "trusted": trusted,
        "strict": strict,
        "max_bytes": max_bytes,
        "target_ratio": target_ratio,
        "time_budget": time_budget,
    }
    of_a_directory: dict[str, Any] = {
        "only": only,
        "force": force,
        "workers": workers,
        "signing_key": signing_key,
        "public_key": public_key,
    }
    if path is not None and Path(path).is_file():
        _refuse_options(path, of_a_directory | {"junit": junit})
        return _quantize_file(Path(path), as_json=as_json, calibration=calibration, **given)
    if calibration is not None:
        raise ConfigError(
            "--calibration can be used with a single model only",
            where=str(path or MODEL_DIR),
            do="put <model>.calibration.parquet beside the held-out files of the directory",
        )
    return quantize_directory(
        None, as_json=as_json, junit=junit, model_dir=path, **given, **of_a_directory
    )


def quantize_directory(
    config: str | None, *, as_json: bool, junit: Path | None, **options: Any
) -> ExitCode:
    """Quantize the models of a directory and return the exit code.

    Parameters
    ----------
    config : str, optional
        A YAML configuration.
    **options
        As `batch_run.settings` takes them.
    """

    def configure() -> RunConfig:
        from model_quantization.config.file import load_config

        defaults = {"model_dir": os.environ.get("ML_MODEL_DIR") or MODEL_DIR}
        return load_config(config, defaults=None if config else defaults, given=settings(**options))

    return run_directory(configure, as_json=as_json, junit=junit)


def _quantize_file(
    source: Path,
    *,
    output_dir: str | None,
    held_out: str | None,
    bit_depth: str | None,
    weight_threshold: float | None,
    allowed_drop: float | None,
    target: list[str] | None,
    trusted: list[str] | None,
    strict: bool | None,
    max_bytes: int | None,
    target_ratio: float | None,
    time_budget: float | None,
    calibration: Path | None,
    as_json: bool,
) -> ExitCode:
    from model_quantization.api import quantize_model_file
    from model_quantization.evaluation.policy import GatePolicy
    from model_quantization.evaluation.rows.heldout import CALIBRATION_ENDING, find_held_out
    from model_quantization.names import model_name

    name = model_name(source.name)
    rows = Path(held_out) if held_out is not None else None
    if rows is not None and rows.is_dir():
        if calibration is None and bit_depth == "auto":
            calibration = find_held_out(rows, f"{name}{CALIBRATION_ENDING}")
        rows = find_held_out(rows, name)
    limits: dict[str, Any] = {} if allowed_drop is None else {"allowed_drop": allowed_drop}
    result = quantize_model_file(
        source,
        Path(output_dir) / f"{name}.qma" if output_dir is not None else None,
        bit_depth or 8,
        0.001 if weight_threshold is None else weight_threshold,
        held_out=rows,
        target=target or "target",
        gate=GatePolicy(**limits),
        calibration=calibration,
        max_bytes=max_bytes or 0,
        target_ratio=target_ratio or 0.0,
        time_budget_seconds=time_budget or 0.0,
        trusted=tuple(trusted or ()),
    )
    code = ExitCode.ALL_WELL
    if strict and result["status"] == "fallback":
        code = ExitCode.FOUND_SOMETHING
    if as_json:
        print_json(result | {"exit_code": int(code)})
    else:
        print("\n".join(_lines(result)))
    return code


def _lines(result: dict[str, Any]) -> list[str]:
    """The result for a person: sizes, verdict, scores, and where the artifact is."""
    from model_quantization.report.table import human_bytes, one_line, times_smaller

    before, after = result["original_size_bytes"], result["quantized_size_bytes"]
    smaller = times_smaller(before, after)
    lines = [
        f"{result['input_path']}: {result['model_type']}, {human_bytes(before)} -> "
        f"{human_bytes(after)}{'' if smaller == '-' else f' ({smaller} smaller)'}",
        f"verdict  {result['verdict']}",
    ]
    if result["score_before"] is not None and result["score_after"] is not None:
        scores = f"{result['score_before']:.4f} -> {result['score_after']:.4f}"
        lines.append(f"score    {scores} ({result['metric']})")
    if result["note"]:
        lines.append(f"note     {one_line(result['note'])}")
    kept = "none; the original stays"
    return [*lines, f"artifact {result['output_path'] or kept}"]


def _refuse_options(path: str, options: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} can be used with a directory of models only",
            where=path,
            do="name a directory, or leave the option out",
        )
