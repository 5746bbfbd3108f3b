"""What a person should know about a run as a whole, beside what became of each model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from model_quantization.batch.plan import BatchPlan
from model_quantization.config.run_config import RunConfig
from model_quantization.evaluation.rows.formats import SUFFIXES
from model_quantization.evaluation.rows.heldout import CALIBRATION_ENDING, REFIT_ENDING
from model_quantization.names import normalized, printable
from model_quantization.numerals import plural
from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.release.known import read_stats
from model_quantization.release.manifest import Release, find_release

NAMED = 5  # of many files or models so many are named


def remarks_on(config: RunConfig, plan: BatchPlan, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield one sentence per remark; call it before the outcomes are published."""
    release = find_release(config.output_path)
    if release is not None and (lost := sorted(_lost_proof(release, outcomes))):
        one = len(lost) == 1
        yield (
            f"{_listed(lost)}: release {release.number} served "
            f"{'an artifact that was' if one else 'artifacts that were'} proven on held-out rows, "
            f"and {'its successor has' if one else 'their successors have'} none; name the rows "
            f"(--held-out, or `holdout_dir`) and run again, or publish that release again with "
            f"`model-quantization rollback`."
        )
    if config.holdout_path is not None:
        example = min(plan.fingerprints, default="churn")
        yield from _about_files(config.holdout_path, plan.present, example)


def _lost_proof(release: Release, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The models whose artifact was proven on rows, and that were now done without any."""
    for outcome in outcomes:
        entry = release.models.get(outcome.name)
        if entry is None or entry.artifact is None or outcome.unchanged:
            continue
        if outcome.status in (Status.FAILED, Status.REFUSED) or _has_rows(outcome):
            continue
        recorded = read_stats(release.directory, outcome.name)
        if recorded is not None and recorded[1] == entry.fingerprint:
            proven = _has_rows(recorded[0])
        else:  # after a rollback: only these two need rows
            proven = entry.guarantee in (Guarantee.LABEL_EXACT, Guarantee.NON_INFERIOR)
        if proven:
            yield outcome.name


def _has_rows(outcome: Outcome) -> bool:
    return bool(outcome.evaluation.get("rows"))


def _about_files(directory: Path, present: Iterable[str], example: str) -> Iterator[str]:
    """Name the held-out files that no model reads: nothing else notices a wrong letter."""
    known = {normalized(name) for name in present}
    idle = sorted(
        relative
        for path in directory.rglob("*")
        if (relative := path.relative_to(directory).as_posix()).endswith(SUFFIXES)
        and not any(part.startswith(".") for part in relative.split("/"))
        and normalized(_model_of(relative)) not in known
    )
    if idle:
        yield (
            f"{plural(len(idle), 'held-out file')} in {directory} "
            f"{'belongs' if len(idle) == 1 else 'belong'} to no model: {_listed(idle)}; a file has "
            f"the name of its model, such as {example}.parquet."
        )


def _model_of(relative: str) -> str:
    """The name of the model that a held-out file is for."""
    ending = max((s for s in SUFFIXES if relative.endswith(s)), key=len)
    name = relative.removesuffix(ending)
    return name.removesuffix(CALIBRATION_ENDING).removesuffix(REFIT_ENDING)


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(map(printable, names[:NAMED])) + (f" and {more:,} more" if more > 0 else "")
