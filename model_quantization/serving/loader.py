"""A served model by name: it switches, falls back, follows releases and checks itself.

One immutable `Serving` says which model answers. Every call reads the reference to it once, so a
call finishes with the model that it started with. Every change builds a new serving under the lock,
and then replaces the reference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, Self

from model_quantization.errors import ConfigError, QuantizationError, UntrustedTypeError, told
from model_quantization.files.signing import read_public_keys
from model_quantization.limits import Limits
from model_quantization.locks import ForkSafeLock
from model_quantization.release.manifest import MANIFEST
from model_quantization.serving.fallback import (
    MODEL_FAILURES,
    FallbackRecord,
    after_comparison,
    answer_of_original,
)
from model_quantization.serving.metrics import CallMetrics
from model_quantization.serving.remote_files import RemoteFiles, served_files
from model_quantization.serving.selection import ORIGINAL, QUANTIZED, Selection, Serving
from model_quantization.serving.shadow import SHADOWED, Shadow
from model_quantization.serving.watch import ReleaseWatch

# They would change a model while it answers other threads.
CHANGING = frozenset({"fit", "fit_predict", "fit_transform", "partial_fit", "set_params"})
_METHODS = (MethodType, FunctionType, BuiltinMethodType, partial)


class ModelLoader:
    """A fitted model by name: predicts as the model does, and falls back to the original by itself.

    Attributes and methods are the active model's: `hasattr(loader, "predict_proba")` is what it
    is for the model. Nothing is read before the first use; each model is loaded once.

    Parameters
    ----------
    name : str
        The file's name without its ending, relative to `model_dir`.
    model_dir : path or URL, optional
        Where originals lie; default ``ML_MODEL_DIR``, else ``ml/models`` or, in a project that
        `model-quantization init` started, ``models``. Files of a URL
        (``s3://bucket/prefix``) are kept in ``ML_CACHE_DIR``.
    output_dir : path or URL, optional
        Where releases are published; default ``ML_QUANTIZED_DIR``, else ``<model_dir>/quantized``.
    use_quantized : bool
        Whether the quantized artifact answers where the release has one.
    trusted : sequence of str
        User classes that may be loaded, each as ``module:qualname``.
    limits : Limits
        Caps on what is read and decoded.
    public_keys : sequence of path or str
        PEM files (or `env:NAME`) of the keys whose signatures count; default those that
        ``ML_PUBLIC_KEYS`` names, separated by colons. Several while keys are changed.
    require_signature : bool, optional
        Whether what is not signed is refused, originals that no signed release pins included;
        default: as soon as there is a key.
    watch : bool or float
        Whether a new release is taken over by itself, and after how many seconds at most it is
        looked for (True: 2; 0: at every call).
    shadow : float
        The share of calls that original and artifact both answer, to be compared.
    shadow_limit : float
        The share of compared rows that may differ; beyond it the original answers from there on.
    metrics : bool
        Whether calls are counted and timed, for `metrics()`; less than a microsecond for each.

    Raises
    ------
    ConfigError
        A key, share or number of seconds that cannot be used.
    PathRefused
        The name cannot be a model's; at first use: there is no such model.
    FallbackRefused
        At first use: the artifact is broken, and the original is not the one the release pinned.
    SignatureError, UntrustedTypeError
        At first use: never answered by a fallback.

    Examples
    --------
    >>> from pathlib import Path
    >>> import joblib
    >>> import model_quantization as mq
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rows, labels = load_digits(return_X_y=True)
    >>> model = RandomForestClassifier(20, random_state=0).fit(rows[:900], labels[:900])
    >>> Path("models").mkdir()
    >>> paths = joblib.dump(model, "models/digits.joblib")
    >>> result = mq.batch_quantize_models("models", bit_depth="exact")
    >>> loader = ModelLoader("digits", model_dir="models")
    >>> bool((loader.predict(rows) == model.predict(rows)).all())
    True
    >>> loader
    ModelLoader('digits', serving the quantized, release 1)
    >>> loader.use_quantized_model(False)
    >>> loader
    ModelLoader('digits', serving the original, release 1)
    """

    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Keep the arguments of `__init__`: a pickle of the loader consists of them."""
        made = super().__new__(cls)
        made._made_with = (arguments, options)
        return made

    def __init__(
        self,
        name: str,
        model_dir: Path | str | None = None,
        output_dir: Path | str | None = None,
        use_quantized: bool = True,
        *,
        trusted: tuple[str, ...] = (),
        limits: Limits | None = None,
        public_keys: tuple[Path | str, ...] | None = None,
        require_signature: bool | None = None,
        watch: bool | float = False,
        shadow: float = 0.0,
        shadow_limit: float = 0.02,
        metrics: bool = False,
    ) -> None:
        self.files = served_files(name, model_dir, output_dir)
        self._trusted = tuple(trusted)
        self._limits = limits or Limits()
        if public_keys is None:
            named = os.environ.get("ML_PUBLIC_KEYS", "")
            public_keys = tuple(filter(None, named.split(os.pathsep)))
        self._keys = read_public_keys(public_keys, required=require_signature)
        if watch is not False and isinstance(self.files, RemoteFiles) and self.files.output_url:
            raise ConfigError(
                "releases in object storage cannot be watched",
                where="watch",
                do="leave it out, and call `reload` after a release",
            )
        self._watch = ReleaseWatch.of(self.files.output_dir / MANIFEST, watch)
        self._shadow = Shadow(shadow, shadow_limit) if shadow else None
        self._metrics = CallMetrics() if metrics else None
        self._lock = ForkSafeLock(reentrant=True)
        self._requested = QUANTIZED if use_quantized else ORIGINAL
        self._selection: Selection | None = None
        self._serving: Serving | None = None
        self._fallbacks = FallbackRecord(self.files.name)
        self._failed = ""  # why the first use found nothing that can answer

    def __repr__(self) -> str:
        serving, selection = self._serving, self._selection
        if serving is None:
            state = "nothing loaded yet"
            if self._failed:
                state = f"nothing can answer: {self._failed}"
        elif serving.active == ORIGINAL and self._requested == QUANTIZED:
            state = f"serving the original: {serving.reason_code or 'no artifact'}"
        else:
            state = f"serving the {serving.active}"
        release = f", release {selection.number}" if selection and selection.number else ""
        return f"{type(self).__name__}({self.files.name!r}, {state}{release})"

    def __dir__(self) -> list[str]:
        # Completion must not load a model, so its names are unknown before the first use.
        serving = self._serving
        names = dir(serving.model) if serving is not None else ()
        public = {name for name in names if not name.startswith("_")} - CHANGING
        return sorted({*super().__dir__(), *public})

    def __reduce__(self) -> tuple[Any, ...]:
        # Its arguments and the last switch; the other process loads the files itself.
        return _made_anew, (type(self), *self._made_with, self._requested)

    @property
    def model(self) -> Any:
        """The model that answers now; a later switch does not change the returned object."""
        return self._current().model

    def use_quantized_model(self, use_quantized: bool = True) -> None:
        """From here on the quantized artifact answers, or the original.

        The model is loaded before the switch. If that raises, the active model stays.
        """
        requested = QUANTIZED if use_quantized else ORIGINAL
        with self._lock:
            self._switch(self._selection or self._select(), requested)

    def reload(self) -> None:
        """From here on the current release answers, read again with its files.

        If that raises, the active model stays.
        """
        with self._lock:
            self._switch(self._select(), self._requested)

    def get_model_size_info(self) -> dict[str, Any]:
        """`original_size_bytes`, `quantized_size_bytes`, `size_reduction_percent` and `active`.

        Without an artifact the quantized size is 0 and nothing is saved.
        """
        active = self._current().active
        released = self._selection.released if self._selection else None
        before = self.files.original_size_bytes(released)
        after = released.artifact_size_bytes if released and released.artifact else 0
        return {
            "original_size_bytes": before,
            "quantized_size_bytes": after,
            "size_reduction_percent": 100.0 * (1 - after / before) if before and after else 0.0,
            "active": active,
        }

    def status(self) -> dict[str, Any]:
        """Which model answers and why; never raises, whatever is wrong with the model.

        Keys: `name, active` ("quantized", "original" or None), `requested, reason, reason_code,
        artifact, sha256, guarantee, release, fallbacks` (how often the original replaced a
        requested artifact), `last_error` and `shadow` (figures of the comparison, or None).
        """
        try:
            serving = self._current()
        except Exception as error:  # noqa: BLE001  a model's own code may raise anything
            code = getattr(error, "code", "") or type(error).__name__
            reason = told(error)
            serving = Serving(None, "", self._requested, reason, reason_code=code)
            self._fallbacks.last_error = reason
        return {
            "name": self.files.name,
            "active": serving.active or None,
            "requested": serving.requested,
            "reason": serving.reason,
            "reason_code": serving.reason_code,
            "artifact": serving.artifact,
            "sha256": serving.sha256,
            "guarantee": serving.guarantee,
            "release": self._selection.number if self._selection else 0,
            "fallbacks": self._fallbacks.count,
            "last_error": self._fallbacks.last_error,
            "shadow": self._shadow.to_json() if self._shadow else None,
        }

    def metrics(self) -> dict[str, Any]:
        """Return the figures for a monitor; loads nothing, and never raises.

        Returns
        -------
        dict
            `name`; `calls`, by method: `count`, `errors`, `seconds`, `p50_us`, `p99_us` (at most)
            and `histogram`, pairs of (seconds, calls that took at most that long), empty unless the
            loader was made with ``metrics=True``; `fallbacks`, by reason code; `release`; `active`,
            None before the first use; `shadow`, as in `status`.
        """
        serving, selection = self._serving, self._selection
        figures = self._metrics.figures() if self._metrics is not None else {}
        return {
            "name": self.files.name,
            "calls": {method: calls.to_json() for method, calls in figures.items()},
            "fallbacks": dict(self._fallbacks.by_reason),
            "release": selection.number if selection else 0,
            "active": serving.active if serving is not None else None,
            "shadow": self._shadow.to_json() if self._shadow else None,
        }

    def __getattr__(self, name: str) -> Any:
        # copy, pickle and debuggers ask for private names, even before `__init__`.
        if name.startswith("_") or name in CHANGING:
            raise AttributeError(f"{type(self).__name__} serves a fitted model and has no {name}")
        value = getattr(self._current().model, name)
        # Each call looks the method up again, so that a method kept in a variable follows a switch.
        if not isinstance(value, _METHODS):
            return value
        return partial(self._answer if self._metrics is None else self._measured, name)

    def _current(self) -> Serving:
        serving = self._serving
        if serving is None:
            try:
                with self._lock:
                    serving = self._serving or self._switch(self._select(), self._requested)
            except Exception as error:
                self._failed = self._fallbacks.last_error = told(error)
                raise
        elif self._watch is not None:
            self._watch.poll(self._take_release)
        return serving

    def _select(self) -> Selection:
        if self._watch is not None:
            self._watch.note()  # before the release is read, so that a newer one is noticed later
        # Only a loader that serves nothing yet is better off with the original.
        tolerant = self._serving is None
        return Selection(self.files, self._trusted, self._limits, self._keys, tolerant)

    def _take_release(self) -> bool:
        """Switch to the current release; return whether it is served now."""
        try:
            with self._lock:
                selection, serving, now = self._select(), self._serving, self._selection
                if (
                    now
                    and serving
                    and not serving.reason_code
                    and now.released == selection.released
                ):
                    now.number = selection.number  # the release changed other models only
                else:
                    self._switch(selection, self._requested)
        except (QuantizationError, OSError, MemoryError, *MODEL_FAILURES) as error:
            self._fallbacks.release_rejected(error)
            return False
        return True

    def _switch(self, selection: Selection, requested: str) -> Serving:
        """Serve another model or release; only this method does. The caller holds the lock."""
        serving = selection.choose(requested)
        if serving.given_up:
            self._fallbacks.add(serving)
        # The serving first: a process that is forked between these lines takes the release over
        # again.
        self._serving = serving
        self._selection, self._requested = selection, requested
        return serving

    def _measured(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        started = perf_counter_ns()
        failed = True
        try:
            answer = self._answer(method, *args, **kwargs)
            failed = False
            return answer
        finally:
            if self._metrics is not None:
                self._metrics.record(method, perf_counter_ns() - started, failed)

    def _answer(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        serving = self._current()
        # The original may be asked as well, and an iterator can be read only once.
        args = tuple(list(value) if isinstance(value, Iterator) else value for value in args)
        try:
            answer = getattr(serving.model, method)(*args, **kwargs)
        except UntrustedTypeError as refused:  # raised while restoring; a fallback never answers it
            self._fallbacks.last_error = str(refused)
            raise
        except MODEL_FAILURES as error:
            if serving.pinned_original is None:
                raise
            failure = error
        else:
            if self._shadow is not None and method in SHADOWED and self._shadow.is_next():
                # Whatever comes of the comparison, the caller has the artifact's answer.
                worse = after_comparison(self._shadow, serving, method, args, kwargs, answer)
                if worse is not None:
                    self._give_up(serving, worse)
            return answer
        answer, instead = answer_of_original(
            serving, method, args, kwargs, failure, self._fallbacks
        )
        self._give_up(serving, instead)
        return answer

    def _give_up(self, failed: Serving, instead: Serving) -> None:
        """`instead` answers from here on, unless another thread has switched already."""
        with self._lock:
            self._fallbacks.add(instead)
            if self._serving is failed:
                self._serving = instead


def _made_anew(
    kind: type[ModelLoader], arguments: tuple[Any, ...], options: dict[str, Any], requested: str
) -> ModelLoader:
    """Return a loader for its pickle."""
    loader = kind(*arguments, **options)
    loader._requested = requested
    return loader
