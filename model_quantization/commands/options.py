"""The options that several commands share: each has one name, one meaning and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from model_quantization.schemes.recipe import BitDepth

CONFIG_HELP = "A YAML configuration; docs/configuration.md explains its keys."

BitDepthOption: TypeAlias = Annotated[
    BitDepth | None,
    typer.Option(
        "--bit-depth",
        help="8 (the default), 16 or 32 bits; exact rounds nothing; auto gives each part its own "
        "precision and takes the smallest that passes the gate.",
    ),
]
MaxBytes: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-bytes", metavar="N", help="With auto: the most bytes that an artifact may have."
    ),
]
TargetRatio: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--target-ratio",
        metavar="X",
        help="With auto: how many times smaller than the original an artifact must be.",
    ),
]
TimeBudget: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--time-budget",
        metavar="SECONDS",
        help="With auto: about how long options are measured, counted in work and not by a clock.",
    ),
]
Calibration: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="With auto: rows to choose a precision on, so that the gate keeps all held-out rows. "
        "In a directory of held-out data it is <model>.calibration.parquet (or .csv, .npz).",
        exists=True,
        dir_okay=False,
    ),
]
WeightThreshold: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--weight-threshold",
        metavar="X",
        help="Weights of smaller magnitude become zero (default 0.001).",
    ),
]
AllowedDrop: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--allowed-drop", metavar="X", help="The largest loss of the held-out score that passes."
    ),
]
HeldOut: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--held-out",
        "--holdout-dir",
        metavar="PATH",
        help="Held-out data: a directory of <model>.parquet, .csv, .csv.gz or .npz; for a single "
        "model also its file. Without it only artifacts that round nothing are published.",
    ),
]
Target: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="A target column of the held-out data (default target); may be repeated.",
    ),
]
Trusted: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted",
        metavar="MODULE:NAME",
        help="A class or function of your own that models may hold; may be repeated.",
    ),
]
Only: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="PATTERN",
        help="Only models whose names match, such as 'intent*'; may be repeated. The others stay "
        "as they are released.",
    ),
]
Force: TypeAlias = Annotated[
    bool | None, typer.Option("--force", help="Quantize unchanged models again.")
]
Strict: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--strict",
        help="Exit with 1 also when a model missed the gate or could not be evaluated.",
    ),
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Models done at the same time (default 2)."),
]
ModelDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model-dir",
        metavar="DIR",
        help="Directory of .pkl, .pickle, .joblib and .sav files (default ml/models).",
    ),
]
OutputDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Where releases go (default: `quantized` in the model directory). A single model's "
        "artifact goes beside its file by default.",
    ),
]
ConfigFile: TypeAlias = Annotated[str, typer.Option("--config", metavar="FILE", help=CONFIG_HELP)]
SigningKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--signing-key",
        metavar="KEY",
        help="The private key that signs the release: a PEM file, or env:NAME.",
    ),
]
PublicKey: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        metavar="KEY",
        help="A key whose signatures are accepted: a PEM file, or env:NAME; may be repeated.",
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on stdout.")
]
JUnit: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE", help="Write JUnit XML, one test case per model, for CI systems."
    ),
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="Instead of a run: say what would be done, and why."),
]
PrintConfig: TypeAlias = Annotated[
    bool,
    typer.Option("--print-config", help="Instead of a run: print all settings as JSON."),
]
ReleaseDirectory: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="DIRECTORY",
        help="The output directory, or its URL in object storage.",
        show_default=False,
    ),
]
