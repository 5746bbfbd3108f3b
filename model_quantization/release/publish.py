"""Publishes a release in one atomic step, and publishes earlier ones again.

::

    manifest.json         the release; publishing is one rename of this file
    objects/<sha256>.qma  artifacts by content, never rewritten
    <name>.qma            the current object under the model's name, for people and simple scripts
    stats/<name>.json     what became of the model
    releases/<n>.json     earlier manifests, for rollback
    .work/                staging and finished outcomes, which make a killed run resumable
    .lock                 one run at a time

Everything before the rename only adds files that nothing refers to yet; everything after it
follows from the manifest and is made good by the next run. So a run can be killed at any moment.
Tables, history and the report page are written by `report.publication` afterwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model_quantization.errors import (
    ArtifactError,
    IntegrityError,
    PathRefused,
    ReleaseError,
    SignatureError,
)
from model_quantization.files.atomic import (
    link_atomically,
    write_json,
)
from model_quantization.files.signing import PublicKeys
from model_quantization.names import check_name
from model_quantization.outcome import Outcome, Status
from model_quantization.release.known import BROKEN, stats_path
from model_quantization.release.manifest import (
    MANIFEST,
    Release,
    ReleasedModel,
    find_release,
    read_manifest,
    release_files,
)
from model_quantization.release.objects import (
    KEEP_RELEASES,
    kept_releases,
    object_is_whole,
    remove_unreferenced,
)
from model_quantization.release.signer import Signer, last_release


def publish(
    output_dir: Path,
    outcomes: Sequence[Outcome],
    *,
    fingerprints: Mapping[str, str],
    present: Collection[str],
    keep: int = KEEP_RELEASES,
    signer: Signer | None = None,
) -> Release:
    """The release made of `outcomes`; a new one only if something changed.

    Call it inside `exclusive(output_dir)`, with artifacts already stored (`store_artifact`).

    Parameters
    ----------
    outcomes : sequence of Outcome
        This run's models, unchanged ones included.
    fingerprints : mapping of str to str
        By model name; a model without one is done again next time.
    present : collection of str
        Every model in the directory. One without an outcome (it was not asked for) stays
        as released; one that is not present leaves the release.
    keep : int
        Releases to keep for rollback.
    signer : Signer, optional
        Signs the manifest.

    Raises
    ------
    SignatureError
        The last release was changed after it was signed, or by an unknown key.
    ReleaseError
        Full disk, read-only directory; what is released is the old or the new one, whole.
    """
    last = last_release(output_dir, signer)
    before = dict(last.models) if last else {}
    models = {name: entry for name, entry in before.items() if name in present}
    for outcome in outcomes:
        if outcome.unchanged and outcome.name in before:
            continue  # only the release itself counts, and no file beside it
        entry = _entry(output_dir, outcome, fingerprints.get(outcome.name, ""))
        models[outcome.name] = _keep_good(before.get(outcome.name), entry)
    release = last
    resign = signer is not None and release is not None and release.key_id != signer.key.key_id
    if release is None or models != before or resign:
        release = Release(output_dir, _next_number(output_dir, last), _now(), models)
        _switch(release, signer)
    for outcome in outcomes:
        if not outcome.unchanged and _names_files(outcome.name):
            record = outcome.to_json() | {"fingerprint": fingerprints.get(outcome.name, "")}
            write_json(stats_path(output_dir, outcome.name), record, flush=False)
    _follow(release)
    remove_unreferenced(output_dir, keep=keep)
    return release


def rollback(output_dir: Path, number: int, signer: Signer | None = None) -> Release:
    """A new release with the content of release `number`.

    Call it inside `exclusive(output_dir)`, and write the reports afterwards.

    The next run quantizes again each model whose file, configuration, versions or held-out data
    have changed since.

    Raises
    ------
    ReleaseError
        No such release; names those there are.
    IntegrityError
        One of its artifacts is missing or damaged.
    SignatureError
        It is signed and there is no `signer`, or the signer knows none of its keys.
    """
    kept = release_files(output_dir)
    if number not in kept:
        raise ReleaseError(
            f"there is no release {number}",
            where=str(output_dir),
            expected=f"one of {', '.join(map(str, sorted(kept))) or 'none'}",
        )
    old = read_manifest(kept[number], output_dir, _all_required(signer))
    if old.key_id and signer is None:
        raise SignatureError(
            "this release is signed, and the next one must be as well",
            where=str(kept[number]),
            got="no signing key",
            do="give the signing key as well",
        )
    for name, model in old.models.items():
        if not object_is_whole(output_dir, model):
            raise IntegrityError(
                f"the artifact of {name} is missing or damaged",
                where=str(output_dir / str(model.artifact)),
                do="choose another release, or run the quantization again",
            )
    try:
        last = find_release(output_dir)
    except (ArtifactError, PathRefused):  # rolling back must work with a broken manifest
        last = None
    release = replace(
        old, number=_next_number(output_dir, last), created=_now(), rollback_of=number
    )
    _switch(release, signer)
    _follow(release)
    return release


def _entry(output_dir: Path, outcome: Outcome, fingerprint: str) -> ReleasedModel:
    artifact = outcome.artifact if outcome.published else None
    return ReleasedModel(
        name=outcome.name,
        status=outcome.status,
        guarantee=outcome.guarantee,
        reason=outcome.reason,
        note=outcome.note,
        artifact=artifact,
        artifact_sha256=outcome.artifact_sha256 if artifact else "",
        artifact_size_bytes=outcome.artifact_size_bytes if artifact else 0,
        source=Path(os.path.relpath(outcome.source, output_dir)).as_posix(),
        # A refused file is not pinned: no loader may serve it as the original.
        source_sha256="" if outcome.status is Status.REFUSED else outcome.source_sha256,
        source_size_bytes=outcome.source_size_bytes,
        fingerprint=fingerprint,
        bit_depth=outcome.bit_depth,
        model_type=outcome.model_type,
    )


def _keep_good(before: ReleasedModel | None, now: ReleasedModel) -> ReleasedModel:
    """The entry to release: after a failure or a refusal, the last good one."""
    broke = now.status in BROKEN
    return before if broke and before is not None and before.artifact is not None else now


def _all_required(signer: Signer | None) -> PublicKeys | None:
    return replace(signer.known, required=True) if signer else None


def _switch(release: Release, signer: Signer | None) -> None:
    """Publish: replace the manifest."""
    record = release.to_json(signer.key if signer else None)
    write_json(release.directory / "releases" / f"{release.number}.json", record)
    write_json(release.directory / MANIFEST, record)


def _follow(release: Release) -> None:
    """Make every `<name>.qma` the release's artifact of that model."""
    directory = release.directory
    served = {name for name, model in release.models.items() if model.artifact}
    for name in served:
        target = release.artifact_path(name)
        if target is not None:
            link_atomically(target, directory / f"{name}.qma")
    for kept in kept_releases(directory).values():
        for name, model in kept.models.items() if kept else ():
            if model.artifact and name not in served:
                (directory / f"{name}.qma").unlink(missing_ok=True)
            if name not in release.models:
                stats_path(directory, name).unlink(missing_ok=True)


def _names_files(name: str) -> bool:
    """Whether statistics can have this name (a file refused for its name has none)."""
    try:
        return bool(check_name(name))
    except PathRefused:
        return False


def _next_number(output_dir: Path, last: Release | None) -> int:
    if last is not None:  # a file with a higher number is from a release that was never published
        return last.number + 1
    return max(release_files(output_dir), default=0) + 1


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
