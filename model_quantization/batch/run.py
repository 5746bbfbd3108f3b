"""One run over a directory of models: plan, work, release.

`run_batch` is a simple loop. An orchestrator calls the same steps: `plan_batch`, then
`quantize_job` and `evaluate_job` for each job, then `finish_batch`.
"""

from __future__ import annotations

import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model_quantization.batch.plan import BatchPlan, Job, claim, plan_batch
from model_quantization.batch.remarks import remarks_on
from model_quantization.batch.unchanged import discard_gone, finished_path
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import QuantizationError, ReleaseError, WorkerCrashed
from model_quantization.files.atomic import write_json
from model_quantization.files.signing import read_signing_key
from model_quantization.outcome import Outcome, Status, failed_outcome, falls_short
from model_quantization.pipeline.child.original import inspect
from model_quantization.pipeline.record import Staged
from model_quantization.pipeline.stages import evaluate_stage, quantize_stage
from model_quantization.release.manifest import Release
from model_quantization.release.objects import store_artifact
from model_quantization.release.publish import publish
from model_quantization.release.signer import read_signer, sign_outcome
from model_quantization.report.table import human_bytes

if TYPE_CHECKING:
    from model_quantization.report.run_facts import RunFacts

RETRY_DELAYS_SECONDS = (1.0, 5.0)
_TRANSIENT_ERRNOS = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.EINTR,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
_log = logging.getLogger(__name__)

Progress = Callable[[Outcome, int, int], None]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a run.

    Attributes
    ----------
    release : Release
        The release that is served now.
    outcomes : tuple of Outcome
        Every requested model, in the order of names.
    seconds : float
        Wall time.
    facts : RunFacts
        The run's facts for its pages.
    remarks : tuple of str
        What a person should know about the run as a whole, one sentence each.
    """

    release: Release
    outcomes: tuple[Outcome, ...]
    seconds: float
    facts: RunFacts
    remarks: tuple[str, ...] = ()

    def shortfalls(self, *, strict: bool) -> list[Outcome]:
        """The models that make this run fail; see `falls_short`."""
        return [outcome for outcome in self.outcomes if falls_short(outcome, strict=strict)]


def run_batch(config: RunConfig, *, progress: Progress | None = None) -> BatchResult:
    """Run over `config.model_dir` and return the result; a failed model stops no other.

    Parameters
    ----------
    config : RunConfig
    progress : callable, optional
        Called as `progress(outcome, done, total)` after each model, from this thread.

    Raises
    ------
    ConfigError, ReleaseError, FormatError, VersionError
        Nothing was run or published; the current release is unchanged.
    """
    started = time.perf_counter()
    with claim(config):
        plan = plan_batch(config)
        outcomes = _work_off(plan, config.n_workers, progress)
        return finish_batch(config, plan, outcomes, started=started)


def _work_off(plan: BatchPlan, n_workers: int, progress: Progress | None) -> list[Outcome]:
    total = len(plan.jobs) + len(plan.settled)
    if progress is not None:
        for done, outcome in enumerate(plan.settled, 1):
            progress(outcome, done, total)
    outcomes = []
    pool = ThreadPoolExecutor(n_workers, thread_name_prefix="quantize")
    try:
        futures = {pool.submit(run_job, job): job for job in plan.jobs}
        for done, future in enumerate(as_completed(futures), len(plan.settled) + 1):
            outcomes.append(_outcome_of(future, futures[future]))
            if progress is not None:
                progress(outcomes[-1], done, total)
    finally:  # on an interrupt, waiting jobs do not begin
        pool.shutdown(cancel_futures=True)
    return outcomes


def _outcome_of(future: Future[Outcome], job: Job) -> Outcome:
    error = future.exception()
    return future.result() if error is None else failed_job(job, error)


def run_job(job: Job) -> Outcome:
    """Return the outcome of one model: both stages, retried after transient failures."""
    for delay in (*RETRY_DELAYS_SECONDS, None):
        try:
            return evaluate_job(job, quantize_job(job))
        except (WorkerCrashed, OSError, ReleaseError) as error:
            if delay is None or not is_transient(error):
                raise
            _log.warning("%s: %s; trying again in %.0f s", job.name, error, delay)
            time.sleep(delay)
    raise AssertionError("the last attempt returns or raises")


def quantize_job(job: Job) -> Staged:
    """Run the first stage; the candidate artifact is in the job's staging directory.

    Raises
    ------
    WorkerCrashed, OSError
        Transient failures; worth retrying.
    """
    shutil.rmtree(job.staging, ignore_errors=True)
    job.staging.mkdir(parents=True)
    _log.info(
        "%s: %s at %s bits, held-out data: %s",
        job.name,
        human_bytes(job.source_size_bytes),
        job.settings.bit_depth,
        job.held_out or "none",
    )
    return quantize_stage(
        job.source, job.staging, job.settings, job.held_out, job.calibration, job.refit
    )


def evaluate_job(job: Job, staged: Staged) -> Outcome:
    """Return the outcome of a model: the candidate read back, evaluated, stored if served.

    From here on a run that is killed keeps this result.
    """
    outcome = replace(evaluate_stage(staged), name=job.name, source=str(job.source))
    if not outcome.source_sha256:  # its graph was never read
        outcome = replace(outcome, source_sha256=job.source_sha256)
    if outcome.published and outcome.artifact is not None:
        if job.signing_key:
            outcome = sign_outcome(outcome, read_signing_key(job.signing_key), job.settings.limits)
        written = Path(str(outcome.artifact))
        stored = store_artifact(job.output_dir, written, outcome.artifact_sha256)
        outcome = replace(outcome, artifact=stored)
    else:
        outcome = replace(outcome, artifact=None)
    if outcome.status is not Status.FAILED and _same_source(job, outcome):
        finished = outcome.to_json() | {"fingerprint": job.fingerprint}
        write_json(finished_path(job.output_dir, job.name), finished, flush=False)
    shutil.rmtree(job.staging, ignore_errors=True)
    return outcome


def failed_job(job: Job, error: BaseException) -> Outcome:
    """Return the outcome of a model whose stages raised `error`; an unexpected one is logged.

    A file that crashes the child which loads it is refused, like one that the scan refuses. The
    next run does not open it again, and no serving process loads it as the original.
    """
    if not isinstance(error, QuantizationError | OSError):
        _log.error("%s: unexpected error", job.name, exc_info=error)
    by_file = isinstance(error, WorkerCrashed) and error.is_native and error.where == inspect.name
    return failed_outcome(
        job.name,
        job.source,
        error,
        status=Status.REFUSED if by_file else Status.FAILED,
        source_sha256=job.source_sha256,
        source_size_bytes=job.source_size_bytes,
        bit_depth=job.settings.bit_depth,
        weight_threshold=job.settings.weight_threshold,
    )


def is_transient(error: BaseException | None) -> bool:
    """Whether a retry may succeed: a killed worker, a busy or full system."""
    if isinstance(error, WorkerCrashed):
        return not error.is_native
    if isinstance(error, ReleaseError):
        return is_transient(error.__cause__)
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS


def finish_batch(
    config: RunConfig,
    plan: BatchPlan,
    outcomes: Iterable[Outcome],
    *,
    started: float | None = None,
) -> BatchResult:
    """Publish a run and return its result; call it inside `claim(config)`.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Of `plan.jobs`, in any order.
    started : float, optional
        `time.perf_counter()` when the run began.
    """
    jobs = {job.name: job for job in plan.jobs}
    done = {outcome.name: outcome for outcome in outcomes}
    # A file that was replaced during the run is another model than the planned one.
    fingerprints = {
        name: mark
        for name, mark in plan.fingerprints.items()
        if name not in done or _same_source(jobs[name], done[name])
    }
    everything = sorted((*plan.settled, *done.values()), key=lambda outcome: outcome.name)
    discard_gone(config.output_path, plan.present)
    remarks = tuple(remarks_on(config, plan, everything))  # reads the release that is replaced now
    release = publish(
        config.output_path,
        everything,
        fingerprints=fingerprints,
        present=plan.present,
        keep=config.keep_releases,
        signer=read_signer(config.signing_key, config.public_keys),
    )
    for remark in remarks:
        _log.info("%s", remark)
    for name in plan.fingerprints:
        finished_path(config.output_path, name).unlink(missing_ok=True)
    shutil.rmtree(config.output_path / ".work" / "staging", ignore_errors=True)
    from model_quantization.report.publication import write_reports
    from model_quantization.report.run_facts import RunFacts

    # The clock may have been set back.
    facts = RunFacts.of(config.to_json(), max(0.0, time.time() - plan.began))
    write_reports(config.output_path, release, everything, facts)
    seconds = 0.0 if started is None else time.perf_counter() - started
    return BatchResult(release, tuple(everything), seconds, facts, remarks)


def _same_source(job: Job, outcome: Outcome) -> bool:
    return outcome.source_sha256 in ("", job.source_sha256)
