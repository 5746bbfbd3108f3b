"""The documented functions: quantize a model, a file, a directory; compare two models.

Names and arguments are those of the documentation. Everything is done in `model_quantization`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import ConfigError, QuantizationError, error_from_record
from model_quantization.evaluation.policy import GatePolicy
from model_quantization.files.atomic import write_atomically
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome
from model_quantization.trust import TrustPolicy

__all__ = [
    "ModelQuantizer",
    "batch_quantize_models",
    "compare_model_performance",
    "quantize_model_file",
]

ModelFormat = Literal["sklearn", "pickle", "custom"]


class ModelQuantizer:
    """Quantizes models that are held in memory.

    Parameters
    ----------
    bit_depth : {8, 16, 32}, or "exact"
        Width of the codes that weights become. 32 is float32; "exact" rounds nothing.
    weight_threshold : float
        Weights of smaller magnitude become zero and are stored sparse. Nothing else is pruned.
    use_dynamic_quantization : bool
        One range per channel (class, output, feature), taken from the weights; False: one range
        for each array.
    recipe : str, optional
        `exact` in place of `bit_depth`.
    trusted : sequence of str
        User classes and functions (`module:qualname`) that a model may hold.
    overrides : sequence of (pattern, scheme)
        Path pattern -> scheme, as `{"kind": "affine", "bits": 16}`; the first match wins.

    Raises
    ------
    ConfigError
        A value that cannot be used.
    """

    def __init__(
        self,
        bit_depth: int | str = 8,
        weight_threshold: float = 0.001,
        use_dynamic_quantization: bool = True,
        *,
        recipe: str | None = None,
        trusted: Sequence[str] = (),
        overrides: Sequence[tuple[str, dict[str, Any]]] = (),
    ) -> None:
        self.bit_depth = bit_depth
        self.weight_threshold = weight_threshold
        self.use_dynamic_quantization = use_dynamic_quantization
        self._settings = ModelSettings(
            bit_depth=_depth(bit_depth, recipe),
            weight_threshold=weight_threshold,
            dynamic=use_dynamic_quantization,
            trusted=tuple(trusted),
            overrides=tuple(overrides),
        )
        if self._settings.bit_depth == "auto":
            raise _nothing_to_choose_by("use quantize_model_file with held_out=...")

    def quantize_model(
        self, model: Any, model_format: ModelFormat = "sklearn", calibration_data: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Return the quantized model, and what became of each of its components.

        Parameters
        ----------
        model : object
            `sklearn`: a fitted estimator, or a dict, list or tuple that holds some. `pickle`:
            the path of a pickle or joblib file, or its bytes; scanned, and loaded in a child
            process. `custom`: an instance of a class of yours; passing it trusts that class.
        model_format : {"sklearn", "pickle", "custom"}
        calibration_data : DataFrame, ndarray or list of str, optional
            Rows as `predict` takes them. Ranges are then chosen to lose least on them.

        Returns
        -------
        quantized_model : QuantizedModel
            Answers like the original; see `mq.load`.
        stats : dict
            Sizes in bytes, `size_reduction_percent`, `components` and more.

        Raises
        ------
        QuantizationError
            What is wrong with the model, and where in it.
        """
        from model_quantization.pipeline.in_memory import quantize_live_model

        settings = self._settings
        trust = settings.trust
        if model_format == "pickle":
            return _quantize_pickle(model, settings, calibration_data)
        if model_format == "custom":
            kind = type(model)
            trust = TrustPolicy(trust.extra | {f"{kind.__module__}:{kind.__qualname__}"})
        elif model_format != "sklearn":
            raise ConfigError(
                "unknown model format",
                where="model_format",
                expected="sklearn, pickle or custom",
                got=repr(model_format),
            )
        made = quantize_live_model(
            model, settings.recipe(), trust, calibration_rows=calibration_data
        )
        return made.model, made.stats


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
    trusted: Sequence[str] = (),
    overrides: Sequence[tuple[str, dict[str, Any]]] = (),
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Quantize one model file and return what became of it.

    Parameters
    ----------
    input_path : path
        A pickle or joblib file. It is read, never changed.
    output_path : path, optional
        The artifact; by default the input's name with the ending `.qma`.
    bit_depth : {8, 16, 32}, "exact" or "auto"
        `auto`: the smallest that passes the gate (needs `held_out`).
    weight_threshold : float
        Weights of smaller magnitude become zero.
    recipe : str, optional
        `exact` in place of `bit_depth`: nothing is rounded.
    held_out : path, optional
        Parquet, CSV or NPZ file to evaluate on. Without it the artifact is written `unverified`.
    target : str or sequence of str
        Its target column or columns.
    gate : GatePolicy, optional
        What must hold for the artifact to be written.
    use_dynamic_quantization : bool
        Ranges per channel.
    calibration_rows : int
        The first so many held-out rows choose ranges, and are not evaluated on.
    trusted, overrides
        As in `ModelQuantizer`.
    limits : Limits, optional

    Returns
    -------
    dict
        `input_path, output_path` (None when the original stays), `model_type, bit_depth,
        weight_threshold, original_size_bytes, quantized_size_bytes,
        file_size_reduction_percent, guarantee, status, reason, note, components, evaluation`.

    Raises
    ------
    QuantizationError
        The file is refused, or the model cannot be treated; the message says what to do. A model
        that fails the gate or gains nothing does not raise: its `status` says so.
    """
    from model_quantization.names import model_name
    from model_quantization.pipeline.stages import quantize_file
    from model_quantization.report.summary import summarise

    source = Path(input_path)
    if _depth(bit_depth, recipe) == "auto" and held_out is None:
        raise _nothing_to_choose_by("pass held_out=...")
    settings = ModelSettings(
        bit_depth=_depth(bit_depth, recipe),
        weight_threshold=weight_threshold,
        dynamic=use_dynamic_quantization,
        overrides=tuple(overrides),
        gate=gate or GatePolicy(publish_unverified=True, publish_inconclusive=True),
        trusted=tuple(trusted),
        limits=limits or Limits(),
        target=(target,) if isinstance(target, str) else tuple(target),
        calibration_rows=calibration_rows,
    )
    default = source.with_name(f"{model_name(source.name)}.qma")
    destination = Path(output_path) if output_path is not None else default
    with tempfile.TemporaryDirectory(prefix="quantize-") as staging:
        outcome = quantize_file(
            source, Path(staging), settings, Path(held_out) if held_out is not None else None
        )
        _raise_failure(outcome)
        if outcome.artifact is not None:
            destination.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(destination, Path(outcome.artifact).read_bytes())
    record: dict[str, Any] = dict(summarise([outcome])["models"][outcome.name])
    record["output_path"] = str(destination) if outcome.artifact is not None else None
    record["evaluation"] = outcome.evaluation
    return record


def batch_quantize_models(
    model_dir: str | Path,
    output_dir: str | Path | None = None,
    bit_depth: int | str = 8,
    weight_threshold: float = 0.001,
    *,
    recipe: str | None = None,
    holdout_dir: str | Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Quantize every model of a directory, publish what may be published, and return the result.

    Parameters
    ----------
    model_dir : path
        Searched for `.pkl`, `.pickle`, `.joblib` and `.sav` files.
    output_dir : path, optional
        The release; by default `quantized` inside the model directory.
    bit_depth, weight_threshold, recipe
        As in `quantize_model_file`.
    holdout_dir : path, optional
        Holds `<model name>.parquet`, `.csv`, `.csv.gz` or `.npz`. Models without a file there are
        written `unverified`.
    **options
        Any other key of the run configuration (`RunConfig`).

    Returns
    -------
    dict
        `{"models": {name: {...}}, "summary": {"overall_size_reduction_percent": ..., "counts":
        {...}, ...}}`. One bad model never stops the rest: its `status` and `note` say what it got.

    Raises
    ------
    ConfigError
        An option that cannot be used, or no such directory.
    ReleaseLocked
        Another run is writing to the output directory.
    """
    from model_quantization.batch.run import run_batch
    from model_quantization.config.file import load_config
    from model_quantization.report.summary import summarise

    models = Path(model_dir)
    output = Path(output_dir) if output_dir is not None else models / "quantized"
    gate = {"publish_unverified": True, **options.pop("gate", {})}
    config = load_config(
        given={
            "model_dir": str(models),
            "output_dir": str(output),
            "holdout_dir": str(holdout_dir) if holdout_dir is not None else None,
            "bit_depth": _depth(bit_depth, recipe),
            "weight_threshold": weight_threshold,
            "gate": gate,
            **options,
        }
    )
    return summarise(run_batch(config).outcomes, output)


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
        See `model_quantization.evaluation.compare.compare`.

    Raises
    ------
    QuantizationError
        A file that is refused, or models with nothing to compare.
    """
    from model_quantization.evaluation.compare import compare

    return compare(
        _subject(original, tuple(trusted)),
        _subject(quantized, tuple(trusted)),
        X,
        y,
        policy=GatePolicy(metric=metric),
        budget_seconds=budget_seconds,
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
        figures = json.loads(done.stdout)
        return LoadCost(figures["seconds"], figures["resident_bytes"])

    return Subject(
        load=lambda: open_any(path, trusted), size_bytes=path.stat().st_size, measure=measure
    )


def open_any(path: Path, trusted: tuple[str, ...] = ()) -> Any:
    """Return the model in a `.qma` artifact, or in a pickle or joblib file that passes the scan."""
    if path.suffix == ".qma":
        from model_quantization.predictor.quantized_model import load

        return load(path, trusted=trusted)
    from model_quantization.loading.pickles.original import load_original

    return load_original(path, trust=TrustPolicy(frozenset(trusted)))[0]


def _quantize_pickle(
    model: Any, settings: ModelSettings, calibration_rows: Any
) -> tuple[Any, dict[str, Any]]:
    """The model of a pickle, taken apart in a child process, quantized here as data."""
    from model_quantization.pipeline.in_memory import quantize_pickle

    if not isinstance(model, bytes | bytearray | str | Path):
        raise ConfigError(
            "a pickle is bytes or a path",
            where="model",
            expected="bytes, str or Path",
            got=type(model).__name__,
            do='pass model_format="sklearn" for a live model',
        )
    with tempfile.TemporaryDirectory(prefix="quantize-") as folder:
        workspace = Path(folder)
        if isinstance(model, bytes | bytearray):
            source = workspace / "model.pkl"
            source.write_bytes(model)
        else:
            source = Path(model)
        made = quantize_pickle(
            source,
            workspace,
            settings.recipe(),
            settings.trust,
            calibration_rows=calibration_rows,
            limits=settings.limits,
        )
        return made.model, made.stats


def _depth(bit_depth: int | str, recipe: str | None) -> str:
    if recipe is None:
        return str(bit_depth)
    if recipe != "exact":
        raise ConfigError(
            "unknown recipe", where="recipe", expected="exact", got=repr(recipe), do="or bit_depth"
        )
    return recipe


def _nothing_to_choose_by(do: str) -> ConfigError:
    return ConfigError(
        "without held-out data there is nothing to choose a precision by",
        where="bit_depth",
        expected="8, 16, 32 or exact",
        got="auto",
        do=do,
    )


def _raise_failure(outcome: Outcome) -> None:
    error = outcome.evaluation.get("error")
    if error is not None:
        raise error_from_record(error["name"], error["fields"])
