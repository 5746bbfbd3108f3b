"""Checks a whole release against its manifest, file by file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.errors import QuantizationError, told
from model_quantization.files.atomic import hash_file
from model_quantization.files.signing import PublicKeys, read_public_keys
from model_quantization.outcome import Status
from model_quantization.release.manifest import (
    MANIFEST,
    Release,
    ReleasedModel,
    read_manifest,
    read_release,
    release_files,
)
from model_quantization.release.objects import kept_releases
from model_quantization.trust import TrustPolicy

BROKEN, NOTE = "broken", "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a release and its manifest.

    Attributes
    ----------
    level : {"broken", "note"}
        Broken: loaders would not serve the published files. Note: a remark.
    where, what : str
    """

    level: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.level:6}  {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class ReleaseCheck:
    """The result of checking one release.

    Attributes
    ----------
    findings : tuple of Finding
        In the order in which the parts of the release are looked at.
    release : Release or None
        None when its manifest cannot be read.
    keys : PublicKeys or None
        Public keys whose signatures were accepted; None: signatures were not checked.
    """

    findings: tuple[Finding, ...]
    release: Release | None
    keys: PublicKeys | None

    @property
    def broken(self) -> int:
        """The number of findings that are broken."""
        return sum(finding.level == BROKEN for finding in self.findings)

    @property
    def artifacts(self) -> int:
        """The number of models that have an artifact."""
        models = self.release.models.values() if self.release else ()
        return sum(model.artifact is not None for model in models)

    @property
    def summary(self) -> str:
        """One sentence about a whole release; empty when something is broken."""
        if self.broken or self.release is None:
            return ""
        key = self.release.key_id
        signed = f"signed by key {key}" if key else "not signed"
        unchecked = " (not checked: no public key given)" if key and self.keys is None else ""
        return (
            f"release {self.release.number} is whole: {len(self.release.models)} models, "
            f"{self.artifacts} artifacts, {signed}{unchecked}"
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        release = self.release
        return {
            "broken": self.broken,
            "findings": [asdict(finding) for finding in self.findings],
            "release": release.number if release else None,
            "models": len(release.models) if release else 0,
            "artifacts": self.artifacts,
            "key_id": release.key_id if release else "",
            "signature_checked": self.keys is not None and release is not None,
            "summary": self.summary,
        }


def check_release(
    directory: Path,
    *,
    public_keys: tuple[str, ...] = (),
    trusted: tuple[str, ...] = (),
    answers: bool = False,
) -> ReleaseCheck:
    """Check the release in `directory` against its manifest.

    Parameters
    ----------
    public_keys : tuple of str
        PEM files or `env:NAME`; those that ``ML_PUBLIC_KEYS`` names when there are none.
    trusted, answers
        As in `verify_release`.

    Raises
    ------
    ConfigError
        A key that cannot be used.
    """
    if not public_keys:
        public_keys = tuple(filter(None, os.environ.get("ML_PUBLIC_KEYS", "").split(os.pathsep)))
    keys = read_public_keys(public_keys)
    findings = tuple(verify_release(directory, keys, trusted=trusted, answers=answers))
    try:
        release = read_release(directory, keys)
    except (QuantizationError, OSError):  # reported as a finding
        release = None
    return ReleaseCheck(findings, release, keys)


def verify_release(
    directory: Path,
    keys: PublicKeys | None = None,
    *,
    trusted: tuple[str, ...] = (),
    answers: bool = False,
) -> Iterator[Finding]:
    """Yield every fault of the release in `directory`, in the order of the checks.

    Parameters
    ----------
    keys : PublicKeys, optional
        Keys whose signatures are accepted; without any, signatures are not checked.
    trusted : tuple of str
        Classes of your own that models may hold; used by `answers`.
    answers : bool
        Whether each artifact has to answer its golden rows.
    """
    try:
        release = read_release(directory, keys)
    except (QuantizationError, OSError) as error:
        yield Finding(BROKEN, MANIFEST, _one_line(error))
        return
    for name, model in sorted(release.models.items()):
        if model.artifact is not None:
            yield from _check_artifact(release, model, keys, trusted, answers)
        yield from _check_original(release, name)
    yield from _check_history(release)
    yield from _check_leftovers(release)


def _check_artifact(
    release: Release,
    model: ReleasedModel,
    keys: PublicKeys | None,
    trusted: tuple[str, ...],
    answers: bool,
) -> Iterator[Finding]:
    path = release.directory / str(model.artifact)
    try:
        artifact = read_artifact(path, sha256=model.artifact_sha256, keys=keys)
        artifact.check()
        if answers:
            _answer_golden_rows(artifact, trusted)
    except FileNotFoundError:
        what = f"its artifact is not there ({model.artifact}): the original answers; run again"
        yield Finding(BROKEN, model.name, what)
        return
    except (QuantizationError, OSError) as error:
        yield Finding(BROKEN, model.name, _one_line(error))
        return
    source = artifact.manifest["source"]["sha256"]
    if source != model.source_sha256:
        yield Finding(BROKEN, model.name, f"its artifact was made from another file ({source})")
    if len(artifact.data) != model.artifact_size_bytes:
        yield Finding(BROKEN, model.name, f"its size is {len(artifact.data):,} bytes")
    yield from _check_named(release, model)


def _check_named(release: Release, model: ReleasedModel) -> Iterator[Finding]:
    """Check the artifact under the model's name, for people and scripts; no loader uses it."""
    where = f"{model.name}.qma"
    try:
        found, _ = hash_file(release.directory / where)
    except FileNotFoundError:
        yield Finding(NOTE, where, "is not there; loaders do not use it, and the next run makes it")
        return
    except OSError as error:
        yield Finding(NOTE, where, _one_line(error))
        return
    if found == model.artifact_sha256:
        return
    for number, old in sorted(kept_releases(release.directory).items(), reverse=True):
        if old and model.name in old.models and old.models[model.name].artifact_sha256 == found:
            what = f"is still that of release {number}: a run was stopped; the next one repairs it"
            yield Finding(NOTE, where, what)
            return
    yield Finding(BROKEN, where, "is not the released artifact")


def _answer_golden_rows(artifact: Artifact, trusted: tuple[str, ...]) -> None:
    from model_quantization.predictor.opening import open_model
    from model_quantization.predictor.quantized_model import QuantizedModel

    model = open_model(artifact, TrustPolicy(frozenset(trusted)))
    if isinstance(model, QuantizedModel):
        model.self_test()


def _check_original(release: Release, name: str) -> Iterator[Finding]:
    model = release.models[name]
    try:
        found, _ = hash_file(release.source_path(name))
    except FileNotFoundError:
        yield Finding(NOTE, name, f"its original is not there ({model.source}): no fallback")
        return
    except OSError as error:
        yield Finding(BROKEN, name, _one_line(error))
        return
    if model.source_sha256 and found != model.source_sha256:
        yield Finding(BROKEN, name, "its original was replaced after the release")
    elif not model.source_sha256 and model.status is not Status.REFUSED:
        yield Finding(NOTE, name, "its original is not pinned: no fallback")


def _check_history(release: Release) -> Iterator[Finding]:
    kept = release_files(release.directory)
    if release.number not in kept:
        yield Finding(NOTE, f"releases/{release.number}.json", "the current release is not kept")
    for number, path in sorted(kept.items()):
        try:
            old = read_manifest(path, release.directory)
        except (QuantizationError, OSError) as error:
            yield Finding(NOTE, f"releases/{number}.json", _one_line(error))
            continue
        if number == release.number and old != release:
            yield Finding(NOTE, f"releases/{number}.json", "is not the manifest of that release")
        for model in old.models.values():
            if model.artifact and not (release.directory / model.artifact).is_file():
                what = f"the artifact of {model.name} is gone: no rollback to this release"
                yield Finding(NOTE, f"releases/{number}.json", what)


def _check_leftovers(release: Release) -> Iterator[Finding]:
    directory = release.directory
    used = {model.artifact for model in release.models.values()}
    for path in release_files(directory).values():
        try:
            used |= {model.artifact for model in read_manifest(path, directory).models.values()}
        except (QuantizationError, OSError):  # reported above
            continue
    for path in sorted((directory / "objects").glob("*")):
        if f"objects/{path.name}" not in used:
            yield Finding(NOTE, f"objects/{path.name}", "no release refers to it")
    for path in sorted(directory.rglob("*.qma")):
        name = path.relative_to(directory).as_posix()
        if name.startswith(("objects/", ".work/")):
            continue
        model = release.models.get(name.removesuffix(".qma"))
        if model is None or model.artifact is None:
            yield Finding(NOTE, name, "the release has no artifact of this name")


def _one_line(error: Exception) -> str:
    return " ".join(told(error).split())
