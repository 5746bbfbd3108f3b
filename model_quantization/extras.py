"""Libraries that come with an extra, and the error of a call that needs a missing one.

Loading an artifact and predicting need numpy, zstandard, pcodec and msgspec. Functions that need
more call `need` first, so that no `ModuleNotFoundError` comes up halfway through.
"""

from __future__ import annotations

from importlib.util import find_spec

from model_quantization.errors import MissingExtra

# Module -> (distribution, extra); a test holds this equal to pyproject.toml.
MODULES: dict[str, tuple[str, str]] = {
    "scipy": ("scipy", "quantize"),
    "sklearn": ("scikit-learn", "quantize"),
    "joblib": ("joblib", "quantize"),
    "pandas": ("pandas", "quantize"),
    "pyarrow": ("pyarrow", "quantize"),
    "pydantic": ("pydantic", "quantize"),
    "yaml": ("pyyaml", "quantize"),
    "rich": ("rich", "quantize"),
    "typer": ("typer", "quantize"),
    "jinja2": ("jinja2", "report"),
    "matplotlib": ("matplotlib", "report"),
    "prefect": ("prefect", "flow"),
    "fastapi": ("fastapi", "flow"),
    "sqlalchemy": ("sqlalchemy", "flow"),
    "cryptography": ("cryptography", "signing"),
    "fsspec": ("fsspec", "s3"),
    "s3fs": ("s3fs", "s3"),
    "huggingface_hub": ("huggingface-hub", "hub"),
    "mlflow": ("mlflow-skinny", "mlflow"),
    "prometheus_client": ("prometheus-client", "metrics"),
    "opentelemetry": ("opentelemetry-api", "metrics"),
    "prefect_dask": ("prefect-dask", "dask"),
    "distributed": ("distributed", "dask"),
    "prefect_ray": ("prefect-ray", "ray"),
    "ray": ("ray", "ray"),
}
# For everything that quantizes, evaluates and publishes; the last two read tables.
QUANTIZE = tuple(name for name, (_, extra) in MODULES.items() if extra == "quantize")
ESTIMATORS = ("sklearn", "scipy", "joblib")


def need(purpose: str, *modules: str) -> None:
    """Check that these modules are installed.

    Parameters
    ----------
    purpose : str
        The task, as the beginning of a sentence: "restoring an estimator".
    *modules : str
        Keys of `MODULES`.

    Raises
    ------
    MissingExtra
        Some are not; the message names their distributions and the command that installs them.

    Examples
    --------
    >>> need("reading an artifact")
    """
    missing = [name for name in modules if not _is_installed(name)]
    if not missing:
        return
    extras = ",".join(dict.fromkeys(MODULES[name][1] for name in missing))
    raise MissingExtra(
        f"{purpose} needs {_listed([MODULES[name][0] for name in missing])}, not installed here",
        do=f"run: {install_command(extras)}",
    )


def install_command(extras: str) -> str:
    """Return the command that installs an extra, or several with commas between them.

    Examples
    --------
    >>> install_command("report")
    "pip install 'model-quantization[report]'"
    """
    return f"pip install 'model-quantization[{extras}]'"


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module without a file, as tests make them
        return True


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
