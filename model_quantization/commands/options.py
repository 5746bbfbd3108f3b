"""The options that several commands share: each has one name, one meaning and one help text.

Options that always go together are fields of a record. A command takes the record, and
`with_option_records` gives the command line one option per field: a new option is one new field.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

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
        help="With auto: about how long precisions are measured. Work is counted, not time.",
    ),
]
Calibration: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="With auto: rows to choose a precision on; the gate then keeps all held-out rows. "
        "In a directory of held-out data it is <model>.calibration.parquet (or .csv, .npz).",
        exists=True,
        dir_okay=False,
    ),
]
RefitRows: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--refit-rows",
        metavar="PATH",
        help="With auto: labelled rows that the model was trained on, to train its weights for "
        "their grid; a file, or a directory of <model>.refit.parquet, .csv, .csv.gz or .npz "
        "(default: such files beside the held-out ones).",
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
    typer.Option("--workers", metavar="N", help="Models quantized at the same time (default 2)."),
]
ModelDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model-dir",
        metavar="DIR",
        help="Directory of .pkl, .pickle, .joblib, .sav and .skops files (default ml/models).",
    ),
]
OutputDir: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Directory of releases (default: `quantized` in the model directory). A single "
        "model's artifact is written beside its file by default.",
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
    typer.Option("--dry-run", help="Instead of a run: show what a run would do, and why."),
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


def model_file(metavar: str, text: str) -> Any:
    """Return the argument of a command for a model's file that must exist."""
    return typer.Argument(
        metavar=metavar, help=text, exists=True, dir_okay=False, show_default=False
    )


def held_out_rows(text: str, *, directories: bool = False) -> Any:
    """Return the option `--held-out` of a command that needs rows."""
    return typer.Option(
        "--held-out",
        metavar="FILE",
        help=f"{text}: .parquet, .csv, .csv.gz, .npz.",
        exists=True,
        dir_okay=directories,
        show_default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How one model is quantized and judged."""

    output_dir: OutputDir = None
    held_out: HeldOut = None
    bit_depth: BitDepthOption = None
    weight_threshold: WeightThreshold = None
    allowed_drop: AllowedDrop = None
    refit_rows: RefitRows = None
    max_bytes: MaxBytes = None
    target_ratio: TargetRatio = None
    time_budget: TimeBudget = None
    target: Target = None
    trusted: Trusted = None
    strict: Strict = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryOptions:
    """How a directory of models becomes a release."""

    force: Force = None
    workers: Workers = None
    signing_key: SigningKey = None
    public_key: PublicKey = None
    junit: JUnit = None


# Options with another name than their key in the configuration.
_KEYS = {
    "held_out": "holdout_dir",
    "workers": "n_workers",
    "public_key": "public_keys",
    "time_budget": "time_budget_seconds",
}


# Key of the configuration, or argument of a function -> the options that set it.
OPTION_OF_KEY: dict[str, tuple[str, ...]] = {
    _KEYS.get(field.name, field.name): (f"--{field.name.replace('_', '-')}",)
    for record in (ModelOptions, DirectoryOptions)
    for field in fields(record)
}
OPTION_OF_KEY |= {
    "holdout_dir": ("--held-out", "--holdout-dir"),
    "only": ("--only", "--model"),
    "metric": ("--metric",),
    "model_dir": ("--model-dir",),
    "calibration": ("--calibration",),
}


def configured(*options: ModelOptions | DirectoryOptions, **more: Any) -> dict[str, Any]:
    """Return options as keys of the configuration; None means not given.

    Parameters
    ----------
    *options
        Records of options.
    **more
        Further options, each with the name of its key.
    """
    given = more
    for record in options:
        given |= {_KEYS.get(name, name): value for name, value in asdict(record).items()}
    given.pop("junit", None)  # a file that the command writes, no setting
    given["gate"] = {"allowed_drop": given.pop("allowed_drop", None)}
    return given


# Parts of help texts that some commands leave out.
FOR_A_FILE = (
    " A single model's artifact is written beside its file by default.",
    "; for a single model also its file",
)
# What holds without a configuration: with one, an option that is not given keeps its value there.
DEFAULTS = (
    " (the default)",
    " (default 0.001)",
    " (default 2)",
    " (default ml/models)",
    " (default: `quantized` in the model directory)",
    " (default target)",
)
ONLY_WITH_AUTO = "With auto: "


def leaving_out(annotation: Any, parts: Sequence[str]) -> Any:
    """Return the annotation of an option without these parts of its help text."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *extras = get_args(annotation)
    changed = []
    for extra in extras:
        own, text = copy(extra), getattr(extra, "help", None)
        if text:
            for part in parts:
                text = text.replace(part, "")
            own.help = text[:1].upper() + text[1:]
        changed.append(own)
    return Annotated[(kind, *changed)]


def with_option_records(*, leave_out: Sequence[str] = ()) -> Callable[..., Callable[..., Any]]:
    """Return a decorator: the command gets one option per field of the records that it takes.

    Parameters annotated with a record (`ModelOptions`, `DirectoryOptions`) get one, made of the
    options that were given.

    Parameters
    ----------
    leave_out : sequence of str
        Parts of help texts that do not concern the users of this command.
    """
    return functools.partial(_with_records, leave_out=leave_out)


def _with_records(command: Callable[..., Any], leave_out: Sequence[str]) -> Callable[..., Any]:
    hints = {
        name: leaving_out(hint, leave_out)
        for name, hint in get_type_hints(command, include_extras=True).items()
    }
    records: dict[str, type[Any]] = {
        name: kind for name, kind in hints.items() if is_dataclass(kind) and isinstance(kind, type)
    }
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name not in records:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        kinds = get_type_hints(records[parameter.name], include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                parameter.kind,
                default=field.default,
                annotation=leaving_out(kinds[field.name], leave_out),
            )
            for field in fields(records[parameter.name])
        ]

    @functools.wraps(command)
    def with_records(**given: Any) -> Any:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            for name, kind in records.items()
        }
        return command(**given, **made)

    with_records.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_records.__annotations__ = {item.name: item.annotation for item in parameters}
    return with_records
