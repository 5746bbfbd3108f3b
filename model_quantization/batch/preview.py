"""A preview of a run: the action for each model, and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from model_quantization.batch.mirror import mirrored
from model_quantization.batch.plan import BatchPlan, plan_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.names import printable
from model_quantization.outcome import Status
from model_quantization.release.manifest import Release, find_release
from model_quantization.report.table import one_line


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a run.

    Attributes
    ----------
    action : {"quantize", "refuse", "publish", "withdraw"}
    model : str
    why : str
    """

    action: str
    model: str
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The actions of a run, and the number of models that stay."""

    steps: tuple[Step, ...]
    unchanged: int

    @property
    def to_quantize(self) -> int:
        """The number of models that would be quantized."""
        return sum(step.action == "quantize" for step in self.steps)

    @property
    def refused(self) -> int:
        """The number of files that would be refused, whether or not an earlier run did so too."""
        return sum(step.action == "refuse" for step in self.steps)

    def lines(self) -> list[str]:
        """One line per step, then one line that counts."""
        refused = f"{self.refused} refused, " if self.refused else ""
        counted = f"{self.to_quantize} to quantize, {refused}{self.unchanged} unchanged. "
        return [
            *(f"{step.action:8}  {step.model}: {step.why}" for step in self.steps),
            f"{counted}Nothing was written.",
        ]

    def to_json(self) -> dict[str, Any]:
        """The preview as plain JSON values."""
        return {
            "steps": [asdict(step) for step in self.steps],
            "to_quantize": self.to_quantize,
            "refused": self.refused,
            "unchanged": self.unchanged,
        }


def preview(config: RunConfig) -> Preview:
    """Return the actions of a run with `config`; nothing is written to the output directory.

    Raises
    ------
    QuantizationError
        As `plan_batch`.
    """
    with mirrored(config, push=False):
        plan = plan_batch(config)
        steps = tuple(_steps(plan, find_release(config.output_path)))
    stay = [o for o in plan.settled if o.unchanged and o.status is not Status.REFUSED]
    return Preview(steps, len(stay))


def _steps(plan: BatchPlan, release: Release | None) -> Iterator[Step]:
    for job in plan.jobs:
        yield Step("quantize", job.name, job.why)
    for outcome in plan.settled:
        if outcome.status is Status.REFUSED:
            yield Step("refuse", printable(outcome.name), one_line(outcome.note))
        elif not outcome.unchanged:
            yield Step("publish", outcome.name, "finished by a run that was stopped")
    for name in sorted(set(release.models) - set(plan.present)) if release else ():
        yield Step("withdraw", name, "its file is gone")
