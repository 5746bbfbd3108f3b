"""Chooses which of a model's two files answers, for one release; no threads here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_quantization.errors import (
    ArtifactError,
    LimitError,
    PathRefused,
    PredictionError,
    QuantizationError,
    SignatureError,
    told,
)
from model_quantization.files.signing import PublicKeys
from model_quantization.limits import Limits
from model_quantization.locks import ForkSafeLock
from model_quantization.release.manifest import MANIFEST, ReleasedModel
from model_quantization.serving.served_files import ServedFiles
from model_quantization.trust import TrustPolicy

QUANTIZED, ORIGINAL = "quantized", "original"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, and the hash of the file that it came from."""

    model: Any
    sha256: str


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that answers, and why it is this one.

    Attributes
    ----------
    model : object
        The fitted model.
    active, requested : str
        "quantized" or "original".
    reason, reason_code : str
        Why this one; the code is "" while the requested model answers without a reservation.
    artifact : str
        The artifact's path; "" when the original answers.
    sha256, guarantee : str
        Of the file that answers, and the artifact's tier.
    given_up : str
        What cannot be used although it was requested: the sha256 of an artifact, or
        `manifest.json` when the whole release cannot be read; "" if every requested one can.
    pinned_original : callable or None
        Loads the pinned original, for a fallback.
    """

    model: Any
    active: str
    requested: str
    reason: str
    reason_code: str = ""
    artifact: str = ""
    sha256: str = ""
    guarantee: str = ""
    given_up: str = ""
    pinned_original: Callable[[], Loaded] | None = None


@dataclass(slots=True)
class Selection:
    """The files of one model under the release that was current when this was made.

    Every model is loaded once. A new release needs a new selection. Where `keys` require
    signatures, only files that a signed release pins are served, originals included.

    With `tolerant`, a release that cannot be read counts as none, and the original answers; without
    it, its error is raised. A process that serves a whole release keeps that one instead.
    """

    files: ServedFiles
    trusted: tuple[str, ...]
    limits: Limits
    keys: PublicKeys | None = None
    tolerant: bool = False
    number: int = field(init=False, default=0)  # of the release; 0 without one
    unreadable: Exception | None = field(init=False, default=None)
    released: ReleasedModel | None = field(init=False, default=None)
    _originals: dict[str, Loaded] = field(init=False, default_factory=dict)
    _lock: ForkSafeLock = field(init=False, default_factory=ForkSafeLock)

    def __post_init__(self) -> None:
        try:
            release = self.files.release(self.keys)
        except SignatureError:
            raise  # a fallback would let the person who broke the signature choose the model
        except (ArtifactError, PathRefused, PermissionError) as error:
            if not self.tolerant or self._signed_only:
                raise
            self.unreadable, release = error, None
        if release is not None:
            self.number = release.number
            self.released = release.models.get(self.files.name)

    def choose(self, requested: str) -> Serving:
        """Return the model that answers for `requested`, loaded and self-tested.

        Raises
        ------
        FallbackRefused
            The artifact is broken, and the original is not the one that the release pinned.
        SignatureError, UntrustedTypeError
            Never answered by a fallback.
        PathRefused, ScanRefused
            There is no original, or it must not be loaded.
        FormatError, VersionError
            The release cannot be read, and there is no original.
        """
        released = self.released
        if requested == ORIGINAL:
            return self._as_it_lies(requested, "the original was asked for", "")
        if self.unreadable is not None:
            return self._without_release(self.unreadable)
        if released is None:
            where = self.files.output_dir
            reason = f"no release in {where} has this model; run the quantization"
            return self._as_it_lies(requested, reason, "not_released")
        artifact = self.files.artifact(released)
        if artifact is None:
            reason = released.note or f"the release keeps the original ({released.status})"
            return self._as_it_lies(requested, reason, released.reason or str(released.status))
        try:
            model = self._quantized(artifact, released)
        except SignatureError:
            raise  # a fallback would let the person who broke the signature choose the model
        except (ArtifactError, LimitError, PredictionError, OSError) as error:
            return self._fallen_back(released, artifact, error)
        reason, code = "the released artifact is good", ""
        if self.files.replaced(released):
            reason = "the original was replaced after the release; run the quantization again"
            code = "stale"
            if not self._signed_only:  # else no signature covers the new one
                return self._as_it_lies(requested, reason, code, given_up=released.artifact_sha256)
        return Serving(
            model,
            QUANTIZED,
            requested,
            reason,
            code,
            artifact=str(artifact),
            sha256=released.artifact_sha256,
            guarantee=str(released.guarantee),
            pinned_original=self.pinned_original,
        )

    def pinned_original(self) -> Loaded:
        """The original whose sha256 the release pins.

        Raises
        ------
        FallbackRefused
            Another file lies there now.
        PathRefused, ScanRefused, UntrustedTypeError
            There is none, or it must not be loaded.
        """
        assert self.released is not None
        return self._original(self.released.source_sha256)

    def _fallen_back(self, released: ReleasedModel, artifact: Path, error: Exception) -> Serving:
        code, reason = "missing", told(error)
        if isinstance(error, FileNotFoundError):
            reason = f"the released artifact is not there ({artifact}); run the quantization again"
        elif isinstance(error, QuantizationError):
            code = error.code
        try:
            original = self.pinned_original()
        except (QuantizationError, OSError) as refused:
            raise refused from error
        return Serving(
            original.model,
            ORIGINAL,
            QUANTIZED,
            reason,
            code,
            sha256=original.sha256,
            given_up=released.artifact_sha256,
        )

    def _without_release(self, error: Exception) -> Serving:
        """The original, as where nothing was ever released; raises `error` without an original."""
        try:
            return self._as_it_lies(QUANTIZED, told(error), "unreadable_release", given_up=MANIFEST)
        except PathRefused as refused:
            raise error from refused

    @property
    def _signed_only(self) -> bool:
        return self.keys is not None and self.keys.required

    def _as_it_lies(self, requested: str, reason: str, code: str, *, given_up: str = "") -> Serving:
        """The original that was deployed, whether a release pins it or not."""
        if self._signed_only and self.released is None:
            raise SignatureError(
                "no signed release has this model",
                where=str(self.files.output_dir),
                expected=f"a signed entry for {self.files.name}",
                do="publish with `signing_key` set",
            )
        original = self.pinned_original() if self._signed_only else self._original(None)
        return Serving(
            original.model,
            ORIGINAL,
            requested,
            reason,
            code,
            sha256=original.sha256,
            given_up=given_up,
        )

    def _original(self, pinned: str | None) -> Loaded:
        from model_quantization.loading.pickles.original import load_original

        with self._lock:
            path = self.files.original(self.released)
            kept = self._originals.get(str(path))
            if kept is None or pinned not in (None, kept.sha256):
                trust = TrustPolicy(frozenset(self.trusted))
                kept = Loaded(*load_original(path, sha256=pinned, trust=trust, limits=self.limits))
                self._originals[str(path)] = kept
            return kept

    def _quantized(self, artifact: Path, released: ReleasedModel) -> Any:
        from model_quantization.predictor import opening
        from model_quantization.predictor.quantized_model import QuantizedModel

        model = opening.load(
            artifact,
            trusted=self.trusted,
            limits=self.limits,
            sha256=released.artifact_sha256,  # checked on the bytes that are opened, read once
            keys=self.keys,
        )
        # Golden rows belong to a model, not to a container of several.
        if isinstance(model, QuantizedModel):
            model.quick_self_test()
        return model
