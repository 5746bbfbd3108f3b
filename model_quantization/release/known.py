"""Reads a published release's outcomes back for the next run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from model_quantization.errors import (
    FormatError,
)
from model_quantization.files.atomic import (
    read_json_object,
)
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome, Status
from model_quantization.release.manifest import (
    ReleasedModel,
    read_release,
)

BROKEN = (Status.FAILED, Status.REFUSED)


def known_outcomes(output_dir: Path) -> list[Outcome]:
    """The outcome of every model of the current release, in the order of names."""
    release = read_release(output_dir)
    return [_known(output_dir, model) for _, model in sorted(release.models.items())]


def read_stats(output_dir: Path, name: str) -> tuple[Outcome, str] | None:
    """(outcome, fingerprint) from a model's statistics; None if unreadable."""
    return read_outcome(stats_path(output_dir, name))


def read_outcome(path: Path) -> tuple[Outcome, str] | None:
    """(outcome, fingerprint) of a record, or None: such a model is quantized again."""
    try:
        record = read_json_object(path, Limits().manifest_bytes)
        return Outcome.from_json(record), str(record.get("fingerprint", ""))
    except (FormatError, OSError, KeyError, TypeError, ValueError):
        return None


def _known(output_dir: Path, model: ReleasedModel) -> Outcome:
    """The outcome of a released model."""
    recorded = read_stats(output_dir, model.name)
    if recorded and (recorded[1] == model.fingerprint or recorded[0].status in BROKEN):
        return replace(recorded[0], unchanged=True)
    # Its statistics belong to another release (after a rollback): use the manifest alone.
    return Outcome(
        name=model.name,
        source=str(output_dir / model.source),
        status=model.status,
        guarantee=model.guarantee,
        reason=model.reason,
        note=model.note,
        source_sha256=model.source_sha256,
        source_size_bytes=model.source_size_bytes,
        model_type=model.model_type,
        bit_depth=model.bit_depth,
        artifact=model.artifact,
        artifact_sha256=model.artifact_sha256,
        artifact_size_bytes=model.artifact_size_bytes,
        unchanged=True,
    )


def stats_path(output_dir: Path, name: str) -> Path:
    """Return the path of the statistics of the model `name`."""
    return output_dir / "stats" / f"{name}.json"
