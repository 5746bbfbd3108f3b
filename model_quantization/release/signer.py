"""A run that signs reuses only earlier results that its own keys signed.

Otherwise a person who can write to the output directory could put a model there, and the next run
would sign it as unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_quantization.artifact.reader import read_artifact
from model_quantization.artifact.writer import sign_artifact
from model_quantization.errors import ArtifactError, ConfigError, LimitError
from model_quantization.files.atomic import write_atomically
from model_quantization.files.signing import PublicKeys, SigningKey, read_signing_key
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome
from model_quantization.release.manifest import Release, find_release


@dataclass(frozen=True, slots=True)
class Signer:
    """The key of this run, and the keys whose earlier signatures count.

    Attributes
    ----------
    key : SigningKey
    known : PublicKeys
        Its own, and those of `public_keys`.
    """

    key: SigningKey
    known: PublicKeys

    def vouches_for(self, output_dir: Path, outcome: Outcome, source_sha256: str) -> bool:
        """Whether the outcome's artifact was signed, and made from the file with this hash."""
        if outcome.artifact is None or outcome.source_sha256 != source_sha256:
            return False
        try:
            artifact = read_artifact(
                output_dir / outcome.artifact,
                sha256=outcome.artifact_sha256,
                keys=replace(self.known, required=True),
            )
        except (ArtifactError, LimitError, OSError):
            return False
        return bool(artifact.manifest["source"]["sha256"] == source_sha256)


def read_signer(signing_key: str | None, former: tuple[str, ...] = ()) -> Signer | None:
    """The signer with this private key, which takes over from `former`; None without a key.

    Keys are PEM files, or `env:NAME`.

    Raises
    ------
    ConfigError
        A key that cannot be used.
    """
    if not signing_key:
        return None
    key = read_signing_key(signing_key)
    return Signer(key, key.public_keys(former))


def last_release(output_dir: Path, signer: Signer | None) -> Release | None:
    """The current release, if this run may reuse it.

    For a run that signs, a release that is not signed counts as none: every model is done again.

    Raises
    ------
    SignatureError
        It is signed by a key that is not known here, or was changed after it was signed.
    FormatError, VersionError, PathRefused
        As `read_release`.
    """
    release = find_release(output_dir, signer.known if signer else None)
    if release is None or signer is None or release.key_id:
        return release
    return replace(release, models={})


def check_whole_run(only: Sequence[str], release: Release | None, signer: Signer | None) -> None:
    """Raise a `ConfigError` if a first signed run would leave out models by `only`."""
    if signer is not None and only and release is not None and not release.key_id:
        raise ConfigError(
            "the current release is not signed, and only some models are requested",
            where="only",
            do="run once over all models: results without a signature are not reused",
        )


def sign_outcome(outcome: Outcome, key: SigningKey, limits: Limits) -> Outcome:
    """Sign the outcome's artifact in its place; return the outcome."""
    if outcome.artifact is None:
        return outcome
    path = Path(outcome.artifact)
    artifact = read_artifact(path, limits, sha256=outcome.artifact_sha256)
    data = sign_artifact(artifact.data, key, limits)
    write_atomically(path, data, flush=False)
    signed = read_artifact(data, limits, where=str(path), keys=key.public_keys())
    return replace(outcome, artifact_sha256=signed.sha256, artifact_size_bytes=len(data))
