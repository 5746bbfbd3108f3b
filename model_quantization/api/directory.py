"""`batch_quantize_models`: quantizes a directory, as the flow does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_quantization.api.arguments import bit_depth_of, path_of
from model_quantization.extras import QUANTIZE, need


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
    """Quantize every model of a directory, publish those that passed, and return the result.

    Parameters
    ----------
    model_dir : path
        Searched for `.pkl`, `.pickle`, `.joblib`, `.sav` and `.skops` files.
    output_dir : path, optional
        The release; by default `quantized` inside the model directory.
    bit_depth, weight_threshold, recipe
        As in `quantize_model_file`.
    holdout_dir : path, optional
        Holds `<model name>.parquet`, `.csv`, `.csv.gz` or `.npz`. Models without a file there are
        published only where their artifact rounds nothing, unless `gate` says otherwise.
    **options
        Any other key of the run configuration (`RunConfig`).

    Returns
    -------
    dict
        `{"models": {name: {...}}, "summary": {"overall_size_reduction_percent": ..., "counts":
        {...}, ...}}`. One bad model never stops the rest: its `status` and `note` say what it got.
        A notebook shows the dict as a table.

    Raises
    ------
    ConfigError
        An option that cannot be used, or no such directory.
    ReleaseLocked
        Another run is writing to the output directory.

    Examples
    --------
    >>> from pathlib import Path
    >>> import joblib
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> Path("models").mkdir()
    >>> paths = joblib.dump(model, "models/digits.joblib")
    >>> result = batch_quantize_models("models", bit_depth="exact")
    >>> result["models"]["digits"]["verdict"], result["summary"]["published_models"]
    ('exact', 1)
    """
    need("quantizing models", *QUANTIZE)
    from model_quantization.batch.run import run_batch
    from model_quantization.config.file import load_config
    from model_quantization.release.manifest import OUTPUT
    from model_quantization.report.results import DirectoryResult
    from model_quantization.report.summary import summarise

    models = path_of(model_dir, "model_dir", "a directory of models")
    output = models / OUTPUT
    if output_dir is not None:
        output = path_of(output_dir, "output_dir", "the directory of releases")
    config = load_config(
        given={
            "model_dir": str(models),
            "output_dir": str(output),
            "holdout_dir": str(holdout_dir) if holdout_dir is not None else None,
            "bit_depth": bit_depth_of(bit_depth, recipe),
            "weight_threshold": weight_threshold,
            **options,
        }
    )
    return DirectoryResult(summarise(run_batch(config).outcomes, output))
