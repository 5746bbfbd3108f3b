"""`model-quantization quantize`: quantizes one model file, or every model of a directory."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_quantization.commands.batch_run import run_directory
from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import (
    AsJson,
    Calibration,
    DirectoryOptions,
    ModelOptions,
    Only,
    configured,
    with_option_records,
)
from model_quantization.commands.output import print_json, print_note
from model_quantization.errors import ConfigError, NoSuchFile
from model_quantization.names import looks_like_model
from model_quantization.places import default_model_dir

if TYPE_CHECKING:
    from model_quantization.config.run_config import RunConfig


@with_option_records()
def quantize(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="A model file, or a directory of models (default: ML_MODEL_DIR, else ml/models, "
            "or the project's models).",
            show_default=False,
        ),
    ] = None,
    *,
    options: ModelOptions,
    calibration: Calibration = None,
    only: Only = None,
    release: DirectoryOptions,
    as_json: AsJson = False,
) -> ExitCode:
    """Quantize a model file or a directory.

    A directory becomes a release with a manifest. A file becomes one artifact. Without held-out
    data only artifacts that round nothing are written. For the models of a project, the held-out
    data are the project's unless --held-out names others.
    """
    if path is not None and Path(path).is_file():
        _refuse_options(path, {"only": only, **asdict(release)})
        return _quantize_file(Path(path), options, calibration, as_json=as_json)
    if path is not None and not Path(path).exists() and looks_like_model(Path(path).name):
        raise NoSuchFile(
            "there is no such model file", where=path, do="check the name and the directory"
        )
    if calibration is not None:
        raise ConfigError(
            "--calibration can be used with a single model only",
            where=str(path or default_model_dir()),
            do="put <model>.calibration.parquet beside the held-out files of the directory",
        )
    return quantize_directory(None, options, release, as_json=as_json, model_dir=path, only=only)


def quantize_directory(
    config: str | None,
    options: ModelOptions,
    release: DirectoryOptions,
    *,
    as_json: bool,
    **more: Any,
) -> ExitCode:
    """Quantize the models of a directory and return the exit code.

    Parameters
    ----------
    config : str, optional
        A YAML configuration.
    **more
        `model_dir` and `only`, keys of the configuration.
    """
    notes: list[str] = []

    def configure() -> RunConfig:
        from model_quantization.config.file import load_config
        from model_quantization.config.project import project_rows

        given = configured(options, release, **more)
        if config:
            return load_config(config, given=given)
        models = more.get("model_dir") or default_model_dir()
        rows = project_rows(models) if options.held_out is None else {}
        made = load_config(defaults={"model_dir": default_model_dir(), **rows}, given=given)
        if rows and made.holdout_dir == rows["holdout_dir"]:
            notes.append(_rows_note(rows["holdout_dir"]))
        return made

    return run_directory(configure, as_json=as_json, junit=release.junit, notes=notes)


# As `outcome.falls_short` has it for the models of a directory.
_SHORT, _UNPROVEN = ("failed", "refused"), ("fallback", "unverified")


def _rows_note(directory: object) -> str:
    return f"the held-out rows are the project's, {directory}; --held-out names others"


def _quantize_file(
    source: Path, options: ModelOptions, calibration: Path | None, *, as_json: bool
) -> ExitCode:
    from model_quantization.api import quantize_model_file
    from model_quantization.config.project import project_rows
    from model_quantization.evaluation.policy import GatePolicy
    from model_quantization.evaluation.rows.heldout import (
        CALIBRATION_ENDING,
        find_held_out,
        find_refit_rows,
    )
    from model_quantization.names import model_name

    name = model_name(source.name)
    project = project_rows(source) if options.held_out is None else {}
    directory = options.held_out or project.get("holdout_dir")
    rows = Path(directory) if directory is not None else None
    if rows is not None and not rows.exists():
        raise ConfigError(
            "there is no such held-out file or directory",
            where=f"--held-out {rows}" if options.held_out else str(rows),
            expected="a .parquet, .csv, .csv.gz or .npz file, or a directory of such files",
            do="check the name",
        )
    beside = rows if rows is not None and rows.is_dir() else None
    refit: str | Path | None = options.refit_rows
    if options.bit_depth == "auto":
        refit = find_refit_rows(options.refit_rows or "", beside, name)
    if rows is not None and beside is not None:
        if calibration is None and options.bit_depth == "auto":
            calibration = find_held_out(rows, f"{name}{CALIBRATION_ENDING}")
        rows = find_held_out(rows, name)
    drop, threshold = options.allowed_drop, options.weight_threshold
    limits: dict[str, Any] = {} if drop is None else {"allowed_drop": drop}
    result = quantize_model_file(
        source,
        Path(options.output_dir) / f"{name}.qma" if options.output_dir is not None else None,
        options.bit_depth or 8,
        0.001 if threshold is None else threshold,
        held_out=rows,
        target=options.target or project.get("target") or "target",
        gate=GatePolicy(**limits),
        calibration=calibration,
        refit_rows=refit,
        max_bytes=options.max_bytes or 0,
        target_ratio=options.target_ratio or 0.0,
        time_budget_seconds=options.time_budget or 0.0,
        trusted=tuple(options.trusted or ()),
    )
    short = result["status"] in _SHORT or (
        bool(options.strict) and result["status"] in _UNPROVEN and result["output_path"] is None
    )
    code = ExitCode.FOUND_SOMETHING if short else ExitCode.ALL_WELL
    if as_json:
        print_json(result | {"exit_code": int(code)})
    else:
        print("\n".join(_lines(result)))
    if project and rows is not None:
        sys.stdout.flush()
        print_note(_rows_note(rows))
    return code


def _lines(result: dict[str, Any]) -> list[str]:
    """The result as lines: sizes, verdict, scores, and the artifact's path."""
    from model_quantization.report.table import human_bytes, one_line, times_smaller

    before, after = result["original_size_bytes"], result["quantized_size_bytes"]
    smaller = times_smaller(before, after)
    lines = [
        f"{result['input_path']}: {result['model_type']}, {human_bytes(before)} -> "
        f"{human_bytes(after)}{'' if smaller == '-' else f' ({smaller} smaller)'}",
        f"verdict  {result['verdict']}",
    ]
    if result["score_before"] is not None and result["score_after"] is not None:
        from model_quantization.numerals import as_known, fixed

        metric = result["metric"]
        scores = (as_known(metric, result[key]) for key in ("score_before", "score_after"))
        lines.append(f"score    {' -> '.join(map(fixed, scores))} ({metric})")
    if result["note"]:
        lines.append(f"note     {one_line(result['note'])}")
    kept = "none: the original stays"
    return [*lines, f"artifact {result['output_path'] or kept}"]


def _refuse_options(path: str, options: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} can be used with a directory of models only",
            where=path,
            do="name a directory, or leave the option out",
        )
