"""A model by name that serves: switches, falls back, follows releases and checks itself.

What is served is one immutable `Serving`. Every call reads the reference to it once, so a call
that is under way finishes on the model it started with; everything that changes what is served
builds a new serving under the lock and then replaces the reference. `reload` is the one way to a
new release; `watch` calls it in a thread of its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter_ns
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, Self

from model_quantization.errors import ConfigError, QuantizationError, UntrustedTypeError
from model_quantization.files.signing import read_public_keys
from model_quantization.limits import Limits
from model_quantization.locks import ForkSafeLock
from model_quantization.release.manifest import MANIFEST
from model_quantization.serving.metrics import CallMetrics
from model_quantization.serving.remote_files import RemoteFiles, served_files
from model_quantization.serving.selection import ORIGINAL, QUANTIZED, Selection, Serving
from model_quantization.serving.shadow import SHADOWED, Shadow
from model_quantization.serving.watch import ReleaseWatch

logger = logging.getLogger("model_quantization.serving")

# What a model's own code raises when it cannot answer. Not MemoryError or OSError: a second
# model in memory is no remedy for those.
MODEL_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
)
# They would change a model that other threads are being answered by.
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
        """As `__init__`; what it is given is what a pickle of the loader holds."""
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
        self._said: set[tuple[str, str]] = set()  # (artifact's sha256, reason code) in the log
        self._fallbacks = 0
        self._fallbacks_by_reason: dict[str, int] = {}
        self._last_error = ""

    def __repr__(self) -> str:
        serving, selection = self._serving, self._selection
        if serving is None:
            state = "nothing loaded yet"
        elif serving.active == ORIGINAL and self._requested == QUANTIZED:
            state = f"serving the original: {serving.reason_code or 'no artifact'}"
        else:
            state = f"serving the {serving.active}"
        release = f", release {selection.number}" if selection and selection.number else ""
        return f"{type(self).__name__}({self.files.name!r}, {state}{release})"

    def __dir__(self) -> list[str]:
        # Completion must not load a model: before the first use its names are unknown.
        serving = self._serving
        names = dir(serving.model) if serving is not None else ()
        public = {name for name in names if not name.startswith("_")} - CHANGING
        return sorted({*super().__dir__(), *public})

    def __reduce__(self) -> tuple[Any, ...]:
        # Its arguments and what was asked for last: the other process loads the files itself.
        return _made_anew, (type(self), *self._made_with, self._requested)

    @property
    def model(self) -> Any:
        """The model that answers now; a later switch does not change what was handed out."""
        return self._current().model

    def use_quantized_model(self, use_quantized: bool = True) -> None:
        """From here on the quantized artifact answers, or the original.

        The model is loaded before the switch. When that raises, what was active goes on answering.
        """
        requested = QUANTIZED if use_quantized else ORIGINAL
        with self._lock:
            self._switch(self._selection or self._select(), requested)

    def reload(self) -> None:
        """From here on the current release answers, read anew with its files.

        When that raises, what was active goes on answering.
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
        artifact, sha256, guarantee, release, fallbacks` (times a requested artifact was given up),
        `last_error` and `shadow` (what was compared; None when nothing is).
        """
        try:
            serving = self._current()
        except Exception as error:  # noqa: BLE001  a model's own code may raise anything
            code = getattr(error, "code", "") or type(error).__name__
            reason = str(error) or type(error).__name__
            serving = Serving(None, "", self._requested, reason, reason_code=code)
            self._last_error = reason
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
            "fallbacks": self._fallbacks,
            "last_error": self._last_error,
            "shadow": self._shadow.to_json() if self._shadow else None,
        }

    def metrics(self) -> dict[str, Any]:
        """What a monitor asks for; loads nothing, and never raises.

        Returns
        -------
        dict
            `name`; `calls`, by method: `count`, `errors`, `seconds`, `p50_us`, `p99_us` (at most)
            and `histogram`, pairs of (seconds, calls that took at most so long), empty unless the
            loader was made with ``metrics=True``; `fallbacks`, by reason code; `release`; `active`,
            None before the first use; `shadow`, as in `status`.
        """
        serving, selection = self._serving, self._selection
        figures = self._metrics.figures() if self._metrics is not None else {}
        return {
            "name": self.files.name,
            "calls": {method: calls.to_json() for method, calls in figures.items()},
            "fallbacks": dict(self._fallbacks_by_reason),
            "release": selection.number if selection else 0,
            "active": serving.active if serving is not None else None,
            "shadow": self._shadow.to_json() if self._shadow else None,
        }

    def __getattr__(self, name: str) -> Any:
        # Private names are probed by copy, pickle and debuggers, before __init__ even.
        if name.startswith("_") or name in CHANGING:
            raise AttributeError(f"{type(self).__name__} serves a fitted model and has no {name}")
        value = getattr(self._current().model, name)
        # A method is looked up again at each call, so that one kept in a variable follows a switch.
        if not isinstance(value, _METHODS):
            return value
        return partial(self._answer if self._metrics is None else self._measured, name)

    def _current(self) -> Serving:
        serving = self._serving
        if serving is None:
            with self._lock:
                serving = self._serving or self._switch(self._select(), self._requested)
        elif self._watch is not None:
            self._watch.poll(self._take_release)
        return serving

    def _select(self) -> Selection:
        if self._watch is not None:
            self._watch.note()  # before it is read: what comes in between is seen later
        return Selection(self.files, self._trusted, self._limits, self._keys)

    def _take_release(self) -> bool:
        """Whether the release that lies there now is the one that is served."""
        try:
            with self._lock:
                selection, serving, now = self._select(), self._serving, self._selection
                if (
                    now
                    and serving
                    and not serving.reason_code
                    and now.released == selection.released
                ):
                    now.number = selection.number  # the release is about other models
                else:
                    self._switch(selection, self._requested)
        except (QuantizationError, OSError, MemoryError, *MODEL_FAILURES) as error:
            self._last_error = str(error) or type(error).__name__
            said = (type(error).__name__, str(error))
            if said not in self._said:
                self._said.add(said)
                logger.warning("%s: a new release is not taken over: %s", self.files.name, error)
            return False
        return True

    def _switch(self, selection: Selection, requested: str) -> Serving:
        """The one place where what is served changes; the caller holds the lock."""
        serving = selection.choose(requested)
        if serving.given_up:
            self._record_fallback(serving)
        # The serving first: a process that is forked in between takes the release over again.
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
        # Rows that can be read once only would be gone when the original is asked as well.
        args = tuple(list(value) if isinstance(value, Iterator) else value for value in args)
        try:
            answer = getattr(serving.model, method)(*args, **kwargs)
        except UntrustedTypeError as refused:  # found when restoring; never answered by a fallback
            self._last_error = str(refused)
            raise
        except MODEL_FAILURES as error:
            if serving.pinned_original is None:
                raise
            failure = error
        else:
            if self._shadow is not None and method in SHADOWED and self._shadow.is_next():
                self._compare(serving, method, args, kwargs, answer)
            return answer
        try:
            original = serving.pinned_original()
        except (QuantizationError, OSError) as refused:
            self._last_error = f"{failure}; no original to ask instead: {refused}"
            raise failure from None
        # When the original fails too, the question was wrong: its error is the caller's answer.
        answer = getattr(original.model, method)(*args, **kwargs)
        self._give_up(
            serving,
            Serving(
                original.model,
                ORIGINAL,
                serving.requested,
                f"{method} of the artifact failed where the original answers: {failure}",
                "failing",
                sha256=original.sha256,
                given_up=serving.sha256,
            ),
        )
        return answer

    def _compare(
        self, serving: Serving, method: str, args: Any, kwargs: dict[str, Any], answer: Any
    ) -> None:
        """Ask the original as well; whatever comes of that, the caller has its answer."""
        shadow, ask = self._shadow, serving.pinned_original
        if shadow is None or ask is None:
            return
        try:
            original = ask()
            theirs = getattr(original.model, method)(*args, **kwargs)
            reason = shadow.record(serving.sha256, method, answer, theirs)
        except (QuantizationError, OSError, *MODEL_FAILURES) as error:
            shadow.skipped(str(error))
            return
        if reason:
            instead = Serving(
                original.model,
                ORIGINAL,
                serving.requested,
                reason,
                "shadow",
                sha256=original.sha256,
                given_up=serving.sha256,
            )
            self._give_up(serving, instead)

    def _give_up(self, failed: Serving, instead: Serving) -> None:
        """`instead` answers from here on, unless somebody has switched in the meantime."""
        with self._lock:
            self._record_fallback(instead)
            if self._serving is failed:
                self._serving = instead

    def _record_fallback(self, serving: Serving) -> None:
        self._fallbacks += 1
        code = serving.reason_code or "other"
        self._fallbacks_by_reason[code] = self._fallbacks_by_reason.get(code, 0) + 1
        self._last_error = serving.reason
        said = (serving.given_up, serving.reason_code)
        if said not in self._said:
            self._said.add(said)
            logger.warning(
                "%s: the original answers (%s): %s",
                self.files.name,
                serving.reason_code,
                serving.reason,
            )


def _made_anew(
    kind: type[ModelLoader], arguments: tuple[Any, ...], options: dict[str, Any], requested: str
) -> ModelLoader:
    """A loader that was pickled, in the process that it came to."""
    loader = kind(*arguments, **options)
    loader._requested = requested
    return loader
