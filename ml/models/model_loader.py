"""Models by name for serving: the quantized artifact while it is good, the original otherwise.

::

    loader = IntentModelLoader(use_quantized=True)
    loader.predict(["book a table for two"])      # whichever model is active answers
    loader.use_quantized_model(False)             # at run time, from any thread
    loader.status()                               # which one answers, and why

What is served is one immutable `Serving`. Every call reads the reference to it once, so a call
that is under way finishes on the model it started with; everything that changes what is served
builds a new serving under the lock and then replaces the reference. `reload` is the one way to a
new release.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import BuiltinMethodType, FunctionType, MethodType
from typing import Any, ClassVar

from ml.models.selection import ORIGINAL, QUANTIZED, Selection, Serving
from ml.models.served_files import ServedFiles
from ml.quantization.errors import QuantizationError
from ml.quantization.limits import Limits

logger = logging.getLogger("ml.models")

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
    model_dir : path, optional
        Where originals lie; default ``ML_MODEL_DIR``, else ``ml/models``.
    output_dir : path, optional
        Where releases are published; default ``ML_QUANTIZED_DIR``, else ``<model_dir>/quantized``.
    use_quantized : bool
        Whether the quantized artifact answers where the release has one.
    trusted : sequence of str
        User classes that may be loaded, each as ``module:qualname``.
    limits : Limits
        Caps on what is read and decoded.

    Raises
    ------
    PathRefused
        The name cannot be a model's; at first use: there is no such model.
    FallbackRefused
        At first use: the artifact is broken, and the original is not the one the release pinned.
    SignatureError, UntrustedTypeError
        At first use: never answered by a fallback.
    """

    def __init__(
        self,
        name: str,
        model_dir: Path | str | None = None,
        output_dir: Path | str | None = None,
        use_quantized: bool = True,
        *,
        trusted: tuple[str, ...] = (),
        limits: Limits | None = None,
    ) -> None:
        models = Path(model_dir or os.environ.get("ML_MODEL_DIR") or "ml/models")
        output = Path(output_dir or os.environ.get("ML_QUANTIZED_DIR") or models / "quantized")
        self.files = ServedFiles(name, models, output)
        self._trusted = tuple(trusted)
        self._limits = limits or Limits()
        self._lock = threading.RLock()
        self._requested = QUANTIZED if use_quantized else ORIGINAL
        self._selection: Selection | None = None
        self._serving: Serving | None = None
        self._said: set[tuple[str, str]] = set()  # (artifact's sha256, reason code) in the log
        self._fallbacks = 0
        self._last_error = ""

    def __repr__(self) -> str:
        serving = self._serving
        state = "nothing loaded yet" if serving is None else f"serving the {serving.active}"
        return f"{type(self).__name__}({self.files.name!r}, {state})"

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
        try:
            before = self.files.original(released).stat().st_size
        except OSError:  # only the release was deployed here
            before = released.source_size_bytes if released else 0
        after = released.artifact_size_bytes if released and released.artifact else 0
        return {
            "original_size_bytes": before,
            "quantized_size_bytes": after,
            "size_reduction_percent": 100.0 * (1 - after / before) if before and after else 0.0,
            "active": active,
        }

    def status(self) -> dict[str, Any]:
        """Which model answers and why; never raises for a model that cannot be served.

        Keys: `name, active` ("quantized", "original" or None), `requested, reason, reason_code,
        artifact, sha256, guarantee, fallbacks` (times a requested artifact was given up) and
        `last_error`.
        """
        try:
            serving = self._current()
        except (QuantizationError, OSError) as error:
            code = getattr(error, "code", "") or type(error).__name__
            serving = Serving(None, "", self._requested, str(error), reason_code=code)
            self._last_error = str(error)
        return {
            "name": self.files.name,
            "active": serving.active or None,
            "requested": serving.requested,
            "reason": serving.reason,
            "reason_code": serving.reason_code,
            "artifact": serving.artifact,
            "sha256": serving.sha256,
            "guarantee": serving.guarantee,
            "fallbacks": self._fallbacks,
            "last_error": self._last_error,
        }

    def __getattr__(self, name: str) -> Any:
        # Private names are probed by copy, pickle and debuggers, before __init__ even.
        if name.startswith("_") or name in CHANGING:
            raise AttributeError(f"{type(self).__name__} serves a fitted model and has no {name}")
        value = getattr(self._current().model, name)
        # A method is looked up again at each call, so that one kept in a variable follows a switch.
        return partial(self._answer, name) if isinstance(value, _METHODS) else value

    def _current(self) -> Serving:
        serving = self._serving
        if serving is None:
            with self._lock:
                serving = self._serving or self._switch(self._select(), self._requested)
        return serving

    def _select(self) -> Selection:
        return Selection(self.files, self._trusted, self._limits)

    def _switch(self, selection: Selection, requested: str) -> Serving:
        """The one place where what is served changes; the caller holds the lock."""
        serving = selection.choose(requested)
        if serving.given_up:
            self._record_fallback(serving)
        self._selection, self._requested, self._serving = selection, requested, serving
        return serving

    def _answer(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        serving = self._current()
        # Rows that can be read once only would be gone when the original is asked as well.
        args = tuple(list(value) if isinstance(value, Iterator) else value for value in args)
        try:
            return getattr(serving.model, method)(*args, **kwargs)
        except MODEL_FAILURES as error:
            if serving.pinned_original is None:
                raise
            failure = error
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

    def _give_up(self, failed: Serving, instead: Serving) -> None:
        """`instead` answers from here on, unless somebody has switched in the meantime."""
        with self._lock:
            self._record_fallback(instead)
            if self._serving is failed:
                self._serving = instead

    def _record_fallback(self, serving: Serving) -> None:
        self._fallbacks += 1
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


class _NamedLoader(ModelLoader):
    """A loader whose model is known by what it is for; argument and environment rename it."""

    kind: ClassVar[str]

    def __init__(
        self,
        use_quantized: bool = True,
        model_dir: Path | str | None = None,
        output_dir: Path | str | None = None,
        *,
        name: str | None = None,
        trusted: tuple[str, ...] = (),
        limits: Limits | None = None,
    ) -> None:
        name = name or os.environ.get(f"ML_{self.kind.upper()}_MODEL") or self.kind
        super().__init__(name, model_dir, output_dir, use_quantized, trusted=trusted, limits=limits)


class IntentModelLoader(_NamedLoader):
    """The model `intent`, or the one that `name` or ``ML_INTENT_MODEL`` names."""

    kind = "intent"


class SentimentModelLoader(_NamedLoader):
    """The model `sentiment`, or the one that `name` or ``ML_SENTIMENT_MODEL`` names."""

    kind = "sentiment"


class EmailModelLoader(_NamedLoader):
    """The model `email`, or the one that `name` or ``ML_EMAIL_MODEL`` names."""

    kind = "email"
