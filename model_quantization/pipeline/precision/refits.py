"""Plans with values that are solved again for them, where that brings the answers nearer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from model_quantization.artifact.writer import StreamCache
from model_quantization.pipeline.precision.exploring import Candidate, Exploring, Tried
from model_quantization.pipeline.precision.measuring import try_plans
from model_quantization.planning.labelled import trained
from model_quantization.planning.refit import compensated, distilled, readout, rescaled
from model_quantization.planning.shorter_vocabulary import VOCABULARY

_HOPELESS: Final = 8.0  # of the gate's limit: solving again does not bring such a plan back
_NOTHING: Final = 1e-5  # distortion of a plan that answers as the exact one does
_WORTH_COMPENSATING: Final = 1e-4  # distortion from which on rounding together is worth its time
_WORTH_TRAINING: Final = 5e-3  # distortion from which on distilling gains more than it costs


def measured_as_wholes(
    exploring: Exploring, assignments: Sequence[Mapping[str, str]], quick: StreamCache
) -> tuple[list[Tried], tuple[str, ...]]:
    """Return each plan with the values that serve it best, measured as a whole, and the gains.

    Values are solved on calibration rows, and kept where the answers to the selection rows get
    nearer to the original's.
    """
    first, _ = try_plans(exploring, [Candidate(each) for each in assignments], quick, judged=True)
    if not exploring.refits:
        return first, ()
    best = dict(enumerate(first))
    tiers: list[str] = []
    for solve in (_compensated, _distilled, _trained, _rescaled):
        again = {at: solve(exploring, tried) for at, tried in best.items() if _is_open(tried)}
        wanted = {at: candidate for at, candidate in again.items() if candidate is not None}
        found, _ = try_plans(exploring, list(wanted.values()), quick, judged=True)
        kept = 0
        by_candidate = {id(tried.candidate): tried for tried in found}
        for at, candidate in wanted.items():
            tried = by_candidate.get(id(candidate))
            better = _is_proven_sooner if solve is _trained else _is_nearer
            if tried is not None and better(tried, best[at]):
                best[at] = tried
                kept += 1
        if wanted:
            last = next(iter(wanted.values())).solved.rpartition(", ")[2]
            tiers.append(f"{last}: nearer for {kept} of {len(wanted)} plans")
    gains = (
        _gained(before, after)
        for before, after in zip(first, best.values(), strict=True)
        if after.candidate.solved
    )
    return list(best.values()), (*tiers, *gains)


def _gained(before: Tried, after: Tried) -> str:
    """What was solved again for one plan, and what that changed."""
    old, new = before.measured, after.measured
    found = (
        f"{after.candidate.solved}: distortion {old.distortion.value:.3g} -> "
        f"{new.distortion.value:.3g}"
    )
    if old.loss_bound is not None and new.loss_bound is not None:
        found += f", bound {old.loss_bound:.2g} -> {new.loss_bound:.2g}"
    return f"{found} at {after.size_bytes:,} bytes"


def _is_open(tried: Tried) -> bool:
    """Whether solving again could matter: the plan changes something, and is not beyond hope."""
    measured = tried.measured
    hopeless = measured.margin is not None and measured.margin > _HOPELESS
    return not measured.fault and not hopeless and measured.distortion.value > _NOTHING


def _is_nearer(after: Tried, before: Tried) -> bool:
    if after.measured.fault:
        return False
    return after.measured.distortion.value < before.measured.distortion.value


def _is_proven_sooner(after: Tried, before: Tried) -> bool:
    """Whether the gate's bounds are expected further from their limits: labels know the truth."""
    new, old = after.measured, before.measured
    if new.loss is None or old.loss is None or new.margin is None or old.margin is None:
        return _is_nearer(after, before)
    return not new.fault and new.margin < old.margin


def _compensated(exploring: Exploring, tried: Tried) -> Candidate | None:
    candidate = tried.candidate
    if not exploring.inputs or tried.measured.fault:
        return None
    if tried.measured.distortion.value < _WORTH_COMPENSATING:
        return None
    refit = compensated(exploring.assigner.plan(candidate.levels), exploring.inputs)
    return Candidate(candidate.levels, refit, "rounded together") if refit.arrays else None


def _distilled(exploring: Exploring, tried: Tried) -> Candidate | None:
    candidate = tried.candidate
    if not exploring.inputs or tried.measured.fault:
        return None
    if tried.measured.distortion.value < _WORTH_TRAINING:
        return None  # it answers as the exact one does already
    plan = exploring.assigner.plan(candidate.levels)
    refit = distilled(plan, candidate.refit, exploring.inputs)
    solved = ", ".join(filter(None, (candidate.solved, "distilled")))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _trained(exploring: Exploring, tried: Tried) -> Candidate | None:
    candidate, labelled = tried.candidate, exploring.labelled
    if labelled is None or exploring.answers is None or tried.measured.fault:
        return None
    plan = exploring.assigner.plan(candidate.levels)
    refit = trained(plan, exploring.answers.answered, candidate.refit, labelled)
    word = f"trained on {len(labelled):,} labelled rows"
    solved = ", ".join(filter(None, (candidate.solved, word)))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _rescaled(exploring: Exploring, tried: Tried) -> Candidate | None:
    candidate, corrections = tried.candidate, tried.measured.corrections
    if not corrections or tried.measured.fault or exploring.answers is None:
        return None
    if _has_learnt_by_heart(exploring, candidate.levels):
        return None
    plan = exploring.assigner.plan(candidate.levels)
    path = readout(plan, exploring.answers.answered)
    refit = rescaled(plan, path, candidate.refit, corrections) if path is not None else None
    solved = ", ".join(filter(None, (candidate.solved, "scores rescaled")))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _has_learnt_by_heart(exploring: Exploring, levels: Mapping[str, str]) -> bool:
    """Whether the calibration rows may be texts that made the vocabulary that was shortened.

    Every rare term of such a text is in the vocabulary, and few are of a new one: scores that fit
    the first are too large for the second. The expected number of terms says it without rows.
    """
    division = exploring.answers.division if exploring.answers else None
    from_file = division is not None and division.source != "held-out rows"
    return from_file and any(key.endswith(f":{VOCABULARY}") for key in levels)
