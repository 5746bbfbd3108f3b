"""`model-quantization profile`: shows what each precision of a model would cost and save."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from model_quantization.commands.exit_codes import ExitCode
from model_quantization.commands.options import (
    ONLY_WITH_AUTO,
    AllowedDrop,
    AsJson,
    Calibration,
    MaxBytes,
    RefitRows,
    Target,
    TargetRatio,
    TimeBudget,
    Trusted,
    held_out_rows,
    model_file,
    with_option_records,
)
from model_quantization.commands.output import print_json

_PICTURES = (".svg", ".png", ".pdf")


# The command is `auto`, and it has one model.
_OTHERS = (
    ONLY_WITH_AUTO,
    " In a directory of held-out data it is <model>.calibration.parquet (or .csv, .npz).",
    " (default: such files beside the held-out ones)",
)


@with_option_records(leave_out=_OTHERS)
def profile(
    model: Annotated[Path, model_file("FILE", "A pickle, joblib or skops file.")],
    held_out: Annotated[Path, held_out_rows("Rows that choose and rows that judge")],
    calibration: Calibration = None,
    refit_rows: RefitRows = None,
    target: Target = None,
    allowed_drop: AllowedDrop = None,
    max_bytes: MaxBytes = None,
    target_ratio: TargetRatio = None,
    time_budget: TimeBudget = None,
    trusted: Trusted = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Draw the curve and the sensitivities into an .svg, .png or .pdf file.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Show how small a model can become.

    Does what `quantize --bit-depth auto` does, and keeps no artifact. Prints every step of every
    part, the plans, and the gate's verdicts.
    """
    from model_quantization.api import quantize_model_file
    from model_quantization.evaluation.policy import GatePolicy
    from model_quantization.evaluation.rows.heldout import find_refit_rows
    from model_quantization.names import model_name
    from model_quantization.report.page.precision_picture import draw_curve
    from model_quantization.report.precision import profile_lines

    if picture is not None:
        _check_picture(picture)
    limits = {} if allowed_drop is None else {"allowed_drop": allowed_drop}
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        result = quantize_model_file(
            model,
            Path(folder) / "profile.qma",
            "auto",
            held_out=held_out,
            calibration=calibration,
            refit_rows=find_refit_rows(refit_rows or "", None, model_name(model.name)),
            target=target or "target",
            gate=GatePolicy(**limits),  # type: ignore[arg-type]
            max_bytes=max_bytes or 0,
            target_ratio=target_ratio or 0.0,
            time_budget_seconds=time_budget or 0.0,
            trusted=tuple(trusted or ()),
        )
    figures = result["evaluation"]["precision"]
    if picture is not None:
        draw_curve(figures, picture)
    if as_json:
        print_json({"model": str(model), "verdict": result["verdict"], "precision": figures})
    else:
        print(f"{model}: {result['model_type']}, verdict {result['verdict']}")
        print("\n".join(profile_lines(figures)))
    failed = result["status"] in ("failed", "refused")
    return ExitCode.FOUND_SOMETHING if failed else ExitCode.ALL_WELL


def _check_picture(path: Path) -> None:
    """Raise before anything is measured, when the picture could not be written afterwards."""
    from model_quantization.errors import ConfigError

    if path.suffix not in _PICTURES:
        raise ConfigError(
            "a picture of this kind is not drawn",
            where=str(path),
            expected=f"a name ending in {', '.join(_PICTURES)}",
            do="name another file with --picture",
        )
    if not path.parent.is_dir():
        raise ConfigError(
            "the picture's directory does not exist",
            where=str(path.parent),
            do="make it, or name another file with --picture",
        )
