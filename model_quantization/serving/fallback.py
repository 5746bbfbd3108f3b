"""Fallback to the original when the artifact fails a call, and the record of every fallback."""

from __future__ import annotations

import logging
from typing import Any

from model_quantization.errors import QuantizationError
from model_quantization.serving.selection import ORIGINAL, Loaded, Serving
from model_quantization.serving.shadow import Shadow

logger = logging.getLogger("model_quantization.serving")

# Errors of a model's own code. Not MemoryError or OSError: a second model in memory does not help
# against those.
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


class FallbackRecord:
    """Counts fallbacks of one loader, and logs each reason once per artifact.

    Attributes
    ----------
    count : int
        Times that a requested artifact was given up.
    by_reason : dict
        The same, by reason code.
    last_error : str
        The last error of any kind; "" before the first.
    """

    def __init__(self, name: str) -> None:
        self.count = 0
        self.by_reason: dict[str, int] = {}
        self.last_error = ""
        self._name = name
        self._logged: set[tuple[str, str]] = set()

    def add(self, serving: Serving) -> None:
        """Count a serving that answers instead of an artifact."""
        self.count += 1
        code = serving.reason_code or "other"
        self.by_reason[code] = self.by_reason.get(code, 0) + 1
        self.last_error = serving.reason
        if self._is_new(serving.given_up, serving.reason_code):
            logger.warning(
                "%s: the original answers (%s): %s",
                self._name,
                serving.reason_code,
                serving.reason,
            )

    def release_rejected(self, error: Exception) -> None:
        """Note why the loader keeps the release that it serves."""
        self.last_error = str(error) or type(error).__name__
        if self._is_new(type(error).__name__, str(error)):
            logger.warning("%s: a new release is not taken over: %s", self._name, error)

    def _is_new(self, *said: str) -> bool:
        key = (said[0], said[1])
        new = key not in self._logged
        self._logged.add(key)
        return new


def answer_of_original(
    serving: Serving,
    method: str,
    args: Any,
    kwargs: dict[str, Any],
    failure: Exception,
    record: FallbackRecord,
) -> tuple[Any, Serving]:
    """The pinned original's answer to a call that the artifact failed, and its serving.

    Raises
    ------
    Exception
        The artifact's, where there is no original to ask; the original's, where it fails as well:
        then the arguments were wrong.
    """
    assert serving.pinned_original is not None
    try:
        original = serving.pinned_original()
    except (QuantizationError, OSError) as refused:
        record.last_error = f"{failure}; no original to ask instead: {refused}"
        raise failure from None
    answer = getattr(original.model, method)(*args, **kwargs)
    reason = f"{method} of the artifact failed where the original answers: {failure}"
    return answer, _instead_of(serving, original, reason, "failing")


def after_comparison(
    shadow: Shadow,
    serving: Serving,
    method: str,
    args: Any,
    kwargs: dict[str, Any],
    answer: Any,
) -> Serving | None:
    """Ask the original as well; return its serving if the artifact has differed too often."""
    if serving.pinned_original is None:
        return None
    try:
        original = serving.pinned_original()
        theirs = getattr(original.model, method)(*args, **kwargs)
        reason = shadow.record(serving.sha256, method, answer, theirs)
    except (QuantizationError, OSError, *MODEL_FAILURES) as error:
        shadow.skipped(str(error))
        return None
    return _instead_of(serving, original, reason, "shadow") if reason else None


def _instead_of(failed: Serving, original: Loaded, reason: str, code: str) -> Serving:
    return Serving(
        original.model,
        ORIGINAL,
        failed.requested,
        reason,
        code,
        sha256=original.sha256,
        given_up=failed.sha256,
    )
