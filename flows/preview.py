"""What a run would do, and why, without doing any of it."""

from __future__ import annotations

from collections.abc import Iterator

from model_quantization.batch.mirror import mirrored
from model_quantization.batch.plan import BatchPlan, plan_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.names import printable
from model_quantization.outcome import Status
from model_quantization.release.manifest import Release, find_release
from model_quantization.report.table import one_line


def preview(config: RunConfig) -> list[str]:
    """One line a model that something would happen to, then one for all the rest.

    Nothing is written to the output directory.

    Raises
    ------
    QuantizationError
        As `plan_batch`.
    """
    with mirrored(config, push=False):
        plan = plan_batch(config)
        return [*_lines(plan, find_release(config.output_path)), _total(plan)]


def _lines(plan: BatchPlan, release: Release | None) -> Iterator[str]:
    for job in plan.jobs:
        yield f"quantize  {job.name}: {job.why}"
    for outcome in plan.settled:
        if outcome.status is Status.REFUSED:
            yield f"refuse    {printable(outcome.name)}: {one_line(outcome.note)}"
        elif not outcome.unchanged:
            yield f"publish   {outcome.name}: finished by a run that was stopped"
    for name in sorted(set(release.models) - set(plan.present)) if release else ():
        yield f"withdraw  {name}: its file is gone"


def _total(plan: BatchPlan) -> str:
    unchanged = sum(outcome.unchanged for outcome in plan.settled)
    return f"{len(plan.jobs)} to quantize, {unchanged} unchanged. Nothing was written."
