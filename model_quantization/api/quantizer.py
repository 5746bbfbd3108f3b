"""`ModelQuantizer`: models that the caller holds in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from model_quantization.api.arguments import bit_depth_of, nothing_to_choose_by
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import ConfigError
from model_quantization.extras import QUANTIZE, need
from model_quantization.trust import TrustPolicy

ModelFormat = Literal["sklearn", "pickle", "custom"]


_DEFAULTS = ModelSettings()
# Argument -> its setting; those that are not the default are shown.
_SHOWN = {
    "weight_threshold": "weight_threshold",
    "use_dynamic_quantization": "dynamic",
    "trusted": "trusted",
    "overrides": "overrides",
}


class ModelQuantizer:
    """Quantizes models in memory.

    Parameters
    ----------
    bit_depth : {8, 16, 32, "exact"}
        Width of the codes that weights become. 32 is float32; "exact" rounds nothing.
    weight_threshold : float
        Weights of smaller magnitude become zero and are stored sparse, where that does not move
        the scores. Nothing else is pruned.
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

    Examples
    --------
    >>> import joblib
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> quantized, stats = ModelQuantizer(bit_depth=16).quantize_model(model)
    >>> bool((quantized.predict(rows) == model.predict(rows)).all())
    True
    >>> stats["size_reduction_percent"] > 50
    True
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
            bit_depth=bit_depth_of(bit_depth, recipe),
            weight_threshold=weight_threshold,
            dynamic=use_dynamic_quantization,
            trusted=tuple(trusted),
            overrides=tuple(overrides),
        )
        if self._settings.bit_depth == "auto":
            raise nothing_to_choose_by("use quantize_model_file with held_out=...")

    def __repr__(self) -> str:
        settings = self._settings
        given = [f"bit_depth={self.bit_depth!r}"]
        if settings.bit_depth != str(self.bit_depth):
            given = [f"recipe={settings.bit_depth!r}"]
        given += [
            f"{name}={getattr(settings, key)!r}"
            for name, key in _SHOWN.items()
            if getattr(settings, key) != getattr(_DEFAULTS, key)
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def quantize_model(
        self, model: Any, model_format: ModelFormat = "sklearn", calibration_data: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Return the quantized model, and one record per component.

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
            The model cannot be treated; the message names the fault and its place.
        """
        need("quantizing a model", *QUANTIZE)
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
        elif isinstance(model, str | bytes | Path | None):
            raise ConfigError(
                "not a fitted model",
                where="model",
                expected="an estimator, or a dict, list or tuple that holds some",
                got=f"{type(model).__name__} {str(model)[:60]!r}",
                do='quantize a file with `quantize_model_file`, or pass model_format="pickle"',
            )
        made = quantize_live_model(
            model, settings.recipe(), trust, calibration_rows=calibration_data
        )
        return made.model, made.stats


def _quantize_pickle(
    model: Any, settings: ModelSettings, calibration_rows: Any
) -> tuple[Any, dict[str, Any]]:
    """The model of a pickle: a child process turns it into data, which is quantized here."""
    from model_quantization.pipeline.in_memory import quantize_pickle

    if not isinstance(model, bytes | bytearray | str | Path):
        raise ConfigError(
            "neither the bytes nor the path of a pickle",
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
