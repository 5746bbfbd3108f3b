"""The work of a run: every model of the directory, compared with the current release.

A model is quantized again when the fingerprint of its inputs has changed, or when its artifact or
statistics are missing or damaged. Only the release's own files decide: an orchestrator's cache
cannot know that an artifact was deleted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from model_quantization.batch.discovery import Discovery, ModelFile, discover
from model_quantization.batch.mirror import mirrored
from model_quantization.batch.unchanged import PreviousRuns, fingerprint
from model_quantization.config.model_settings import ModelSettings
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import ConfigError, QuantizationError, ReleaseError, told
from model_quantization.evaluation.rows.heldout import (
    CALIBRATION_ENDING,
    find_held_out,
    find_refit_rows,
)
from model_quantization.files.atomic import exclusive, hash_file
from model_quantization.names import matches, model_name
from model_quantization.outcome import Outcome, failed_outcome
from model_quantization.records import Record
from model_quantization.release.manifest import Release
from model_quantization.release.signer import check_whole_run, last_release, read_signer


@dataclass(frozen=True, slots=True)
class Job(Record):
    """One model to quantize, with all that its stages need.

    Attributes
    ----------
    name, source, source_sha256, source_size_bytes
        The model, and its file when the run was planned.
    output_dir, staging : Path
        The release directory, and this job's directory below its `.work`.
    held_out : Path or None
        Its held-out file.
    settings : ModelSettings
    fingerprint : str
        Digest of all inputs of the outcome.
    why : str
        Why it has to be done, for people.
    signing_key : str
        Where the private key is that its artifact is signed with; empty: it is not signed.
    calibration : Path or None
        Its file of rows on which `auto` chooses a precision.
    refit : Path or None
        Its file of labelled training rows.
    """

    name: str
    source: Path
    source_sha256: str
    source_size_bytes: int
    output_dir: Path
    staging: Path
    held_out: Path | None
    settings: ModelSettings
    fingerprint: str
    why: str
    signing_key: str = ""
    calibration: Path | None = None
    refit: Path | None = None


@dataclass(frozen=True, slots=True)
class BatchPlan(Record):
    """The jobs of a run, and the outcomes that are known without work.

    Attributes
    ----------
    jobs : tuple of Job
        In the order of names.
    settled : tuple of Outcome
        Refused files, unchanged models, and those that a killed run had finished.
    fingerprints : dict of str to str
        Fingerprint of every model, by name.
    present : tuple of str
        Every model in the directory, asked for or not, usable or not.
    began : float
        When the run was planned, in seconds since 1970.
    """

    jobs: tuple[Job, ...]
    settled: tuple[Outcome, ...]
    fingerprints: dict[str, str]
    present: tuple[str, ...]
    began: float = 0.0


@contextmanager
def claim(config: RunConfig) -> Iterator[None]:
    """Check the directories, and lock the output until the block ends.

    Raises
    ------
    ConfigError
        No model directory, or no held-out directory.
    ReleaseLocked, PathRefused, ReleaseError
        As `exclusive`; those in object storage are mirrored, see `mirrored`.
    """
    with mirrored(config):
        check_directories(config)  # first: making the output directory would make a missing parent
        with exclusive(config.output_path):
            yield


def check_directories(config: RunConfig) -> None:
    """Raise a `ConfigError` if a configured directory does not exist."""
    if not config.model_path.is_dir():
        raise ConfigError(
            "the model directory is a file"
            if config.model_path.is_file()
            else "the model directory does not exist",
            where=str(config.model_path),
            do="create it and put trained models there, or name another",
        )
    if config.holdout_path is not None and not config.holdout_path.is_dir():
        raise ConfigError(
            "the held-out directory is a file"
            if config.holdout_path.is_file()
            else "the held-out directory does not exist",
            where=str(config.holdout_path),
            do="create it, or name another",
        )


def plan_batch(config: RunConfig) -> BatchPlan:
    """Return the work of a run with `config`. Nothing is written, so it also serves a dry run.

    Raises
    ------
    ConfigError
        No model directory, no held-out directory, or a name pattern that matches no model.
    ReleaseError
        The model directory is empty although models are released from it.
    FormatError, VersionError
        The current manifest cannot be read; roll back, or remove it.
    SignatureError
        This run signs, and the current manifest was changed after it was signed.
    """
    began = time.time()
    check_directories(config)
    signer = read_signer(config.signing_key, config.public_keys)
    release = last_release(config.output_path, signer)
    previous = PreviousRuns(config.output_path, release, config.force, signer)
    check_whole_run(config.only, release, signer)
    found = discover(config.model_path, config.output_path)
    present = _present(found, release)
    _check_not_emptied(config, present, release)
    wanted = _wanted(config.only, [*(m.name for m in found.models), *_meant(found.refused)])
    with ThreadPoolExecutor(config.n_workers) as pool:
        models = [model for model in found.models if model.name in wanted]
        seen = list(pool.map(lambda model: _examine(model, config, previous), models))
    refused = [
        outcome
        for outcome, name in zip(found.refused, _meant(found.refused), strict=True)
        if name in wanted
    ]
    return BatchPlan(
        jobs=tuple(item for item in seen if isinstance(item, Job)),
        settled=(*refused, *(item.outcome for item in seen if isinstance(item, _Settled))),
        fingerprints=dict(
            zip((m.name for m in models), (i.fingerprint for i in seen), strict=True)
        ),
        present=tuple(present),
        began=began,
    )


@dataclass(frozen=True, slots=True)
class _Settled:
    """The outcome of a model that needs no work."""

    outcome: Outcome
    fingerprint: str


def _examine(model: ModelFile, config: RunConfig, previous: PreviousRuns) -> Job | _Settled:
    settings = config.settings_for(model.name)
    try:
        sha256, size_bytes = hash_file(model.path)
        held_out = find_held_out(config.holdout_path, model.name)
        held_out_sha256 = hash_file(held_out)[0] if held_out else ""
        calibration = refit = None
        if settings.bit_depth == "auto":
            calibration = find_held_out(config.holdout_path, f"{model.name}{CALIBRATION_ENDING}")
            refit = find_refit_rows(settings.refit_rows, config.holdout_path, model.name)
        for path in (calibration, refit):
            held_out_sha256 += f"+{hash_file(path)[0]}" if path is not None else ""
    except (QuantizationError, OSError) as error:
        return _Settled(_unreadable(model, settings, error), "")
    mark = fingerprint(sha256, settings, held_out_sha256, previous.key_id)
    outcome, why = previous.look_up(model.name, sha256, mark)
    if outcome is not None:
        return _Settled(outcome, mark)
    work = hashlib.sha256(model.name.encode()).hexdigest()[:16]
    return Job(
        name=model.name,
        source=model.path,
        source_sha256=sha256,
        source_size_bytes=size_bytes,
        output_dir=config.output_path,
        staging=config.output_path / ".work" / "staging" / work,
        held_out=held_out,
        calibration=calibration,
        refit=refit,
        settings=settings,
        fingerprint=mark,
        why=why,
        signing_key=config.signing_key or "",
    )


def _unreadable(
    model: ModelFile, settings: ModelSettings, error: QuantizationError | OSError
) -> Outcome:
    known: dict[str, Any] = {
        "bit_depth": settings.bit_depth,
        "weight_threshold": settings.weight_threshold,
    }
    if isinstance(error, OSError) and not isinstance(error, QuantizationError):
        known["reason"] = "unreadable"
        known["note"] = f"the file cannot be read ({told(error)}); the original stays."
    return failed_outcome(model.name, model.path, error, **known)


def _check_not_emptied(config: RunConfig, present: Sequence[str], release: Release | None) -> None:
    if not present and release is not None and release.models:
        raise ReleaseError(
            "there are no models, although some are released",
            where=str(config.model_path),
            expected=f"the {len(release.models)} models of release {release.number}",
            do="check that the directory is mounted; to withdraw all, remove the output directory",
        )


def _present(found: Discovery, release: Release | None) -> list[str]:
    """Every name in the directory, usable or not: these stay in the release."""
    refused = [outcome.name for outcome in found.refused]
    released = release.models if release else {}
    below = [name for name in released if any(name.startswith(f"{top}/") for top in refused)]
    return [*(model.name for model in found.models), *refused, *_meant(found.refused), *below]


def _meant(refused: Sequence[Outcome]) -> list[str]:
    """The names of the refused files."""
    return [model_name(outcome.name) for outcome in refused]


def _wanted(patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    """Those of `names` that match a pattern; all without a pattern."""
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            close = get_close_matches(pattern, names, n=1)
            listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ConfigError(
                f"no model matches `{pattern}`",
                where="only",
                expected=f"one of {listed}" if names else "a model in the directory",
                do=f"did you mean `{close[0]}`?" if close else "",
            )
    return {name for name in names if not patterns or any(matches(name, p) for p in patterns)}
