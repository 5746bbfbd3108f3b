"""Finds the models that are unchanged since an earlier run, and why others are not.

An outcome depends on the model's bytes, its settings, the libraries, its held-out data and the key
that signs it; the digest of all that is its fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from model_quantization.config.model_settings import ModelSettings
from model_quantization.outcome import Outcome, Status
from model_quantization.release.known import read_outcome, read_stats
from model_quantization.release.manifest import Release
from model_quantization.release.objects import object_is_whole
from model_quantization.release.signer import Signer
from model_quantization.version import installed_version


@dataclass(frozen=True, slots=True)
class PreviousRuns:
    """The results of earlier runs in the output directory.

    Attributes
    ----------
    output_dir : Path
    release : Release or None
        The current release, if this run may reuse it.
    force : bool
        Whether every model is quantized again.
    signer : Signer or None
        Results that this signer did not sign do not count.
    """

    output_dir: Path
    release: Release | None
    force: bool
    signer: Signer | None = None

    @property
    def key_id(self) -> str:
        """The key that this run signs with; empty if it does not sign."""
        return self.signer.key.key_id if self.signer else ""

    def look_up(self, name: str, sha256: str, mark: str) -> tuple[Outcome | None, str]:
        """Return (the outcome that still holds, or None; the reason why none does)."""
        if self.force:
            return None, "forced"
        finished = read_outcome(finished_path(self.output_dir, name))
        if finished and finished[1] == mark and self._still_there(finished[0], sha256):
            return finished[0], ""
        entry = self.release.models.get(name) if self.release else None
        if entry is None:
            return None, "not in the release yet"
        if entry.fingerprint != mark:
            if entry.source_sha256 != sha256:
                return None, "the model file has changed"
            return None, "its configuration, library versions or held-out data have changed"
        if entry.status is Status.FAILED:
            return None, "it failed last time"
        if not object_is_whole(self.output_dir, entry):
            return None, "its artifact is missing or damaged"
        recorded = read_stats(self.output_dir, name)
        if recorded is None or recorded[1] != mark:
            return None, "its statistics are missing"
        if recorded[0].status is Status.FAILED:  # and the last good artifact stayed in the release
            return None, "it failed last time"
        return replace(recorded[0], unchanged=True), ""

    def _still_there(self, outcome: Outcome, sha256: str) -> bool:
        if self.signer is not None:
            return self.signer.vouches_for(self.output_dir, outcome, sha256)
        return object_is_whole(self.output_dir, outcome)


def fingerprint(
    source_sha256: str, settings: ModelSettings, held_out_sha256: str, key_id: str = ""
) -> str:
    """Return the digest of all inputs of an outcome: content, settings, versions, data, key."""
    parts: dict[str, Any] = {
        "source": source_sha256,
        "settings": settings.digest(),
        "held_out": held_out_sha256,
        "versions": {"model-quantization": installed_version()}
        | {name: version(name) for name in ("scikit-learn", "numpy")},
    }
    if key_id:
        parts["signed_by"] = key_id
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished_path(output_dir: Path, name: str) -> Path:
    """Return the path of a finished outcome that is not yet in a release."""
    return output_dir / ".work" / "outcomes" / f"{name}.json"


def discard_gone(output_dir: Path, present: Collection[str]) -> None:
    """Remove the finished outcomes of models that no longer exist.

    A present model that was not requested keeps its finished outcome for a later run.
    """
    outcomes = output_dir / ".work" / "outcomes"
    for path in sorted(outcomes.rglob("*.json")):
        if path.relative_to(outcomes).as_posix().removesuffix(".json") not in present:
            path.unlink(missing_ok=True)
