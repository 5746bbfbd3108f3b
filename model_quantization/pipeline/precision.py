"""`bit_depth: auto`: which plans the gate will judge, fixed before it sees a row.

::

    ladders of the graph -> each step measured alone -> hulls -> one sweep -> nested plans
      -> measured as wholes -> at most a dozen artifacts, from the safest to the smallest

Rows that measure are never the gate's. Where there are too few to spare, rows are made from the
model itself (`probes.rows`). Artifacts that are only measured are written without compression, read
once by a child process, and removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log
from pathlib import Path
from typing import Final

from model_quantization.arrays import Array
from model_quantization.artifact.writer import StreamCache, raw_stream
from model_quantization.codecs.abc import Effort
from model_quantization.config.model_settings import ModelSettings
from model_quantization.errors import QuantizationError, SchemeError
from model_quantization.graph.nodes import ModelGraph
from model_quantization.limits import Limits
from model_quantization.loading.sandbox.confinement import Access
from model_quantization.pipeline.child.handlers import ask_child
from model_quantization.pipeline.child.measuring import measure_plans
from model_quantization.pipeline.child.messages import Measured, MeasureReply, MeasureRequest
from model_quantization.pipeline.child.original import import_path
from model_quantization.pipeline.record import (
    Description,
    HeldOutAnswers,
    PlannedArtifact,
    PrecisionReport,
    Sensitivity,
    Source,
    artifact_of,
)
from model_quantization.planning.allocation import Point, nested, sweep, thinned
from model_quantization.planning.assigned import Assigner, Refit
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.labelled import LabelledRows, trained
from model_quantization.planning.ladders import (
    EXACT_LEVEL,
    AnyLadder,
    base_levels,
    coarser_options,
    find_ladders,
    with_level,
)
from model_quantization.planning.plan import Plan
from model_quantization.planning.refit import compensated, distilled, readout, rescaled
from model_quantization.planning.work import affordable

PLAN: Final = "plan-"
"""The names of the artifacts that the gate judges begin with this."""
MOST_PLANS: Final = 12
"""Plans that the gate may judge."""
_MOST_MEASURED: Final = 16
_PROMISING: Final = 1.2
_SAFE: Final = 0.4
_HOPELESS: Final = 8.0
_MOST_WITHOUT_ROWS: Final = 0.02
_LITTLE: Final = 1e-4
_NOTHING: Final = 1e-5
_LITTLE_CHANGED: Final = (1e-5, 2e-4)
_BEYOND: Final = 2  # plans past the last promising one: they cost time, and no certainty
_WORTH_TRAINING: Final = 5e-3
_LEAST_STEP: Final = 0.12
_BATCH_BYTES: Final = 256 << 20
_SMALL_MODEL_BYTES: Final = 1 << 20
_SEALING_BYTES: Final = 700  # about what an evaluation adds to a file
_SMALLER: Final = 0.99


@dataclass(frozen=True, slots=True)
class Exploring:
    """What is needed to try plans of one model.

    Attributes
    ----------
    graph : ModelGraph
        Prepared, exact.
    assigner : Assigner
    source, description
        As the artifact names them.
    settings : ModelSettings
    answers : HeldOutAnswers or None
    methods : tuple of str
        Those that the original answered.
    probed : tuple of str
    workspace, lossless : Path
        The workspace, and the artifact in it that rounds nothing.
    inputs : mapping of str to ndarray
        Path of a layer of weights -> the calibration rows that reached it.
    labelled : LabelledRows or None
        Training rows with their labels.
    cache : StreamCache
        Of the artifacts that the gate judges.
    """

    graph: ModelGraph
    assigner: Assigner
    source: Source
    description: Description
    settings: ModelSettings
    answers: HeldOutAnswers | None
    methods: tuple[str, ...]
    probed: tuple[str, ...]
    workspace: Path
    lossless: Path
    inputs: Mapping[str, Array] = field(default_factory=dict)
    labelled: LabelledRows | None = None
    cache: StreamCache = field(default_factory=StreamCache)

    @property
    def refits(self) -> bool:
        """Whether there are rows to solve values on, and others to measure them on."""
        division = self.answers.division if self.answers else None
        return division is not None and bool(division.calibration and division.selection)

    @property
    def limits(self) -> Limits:
        """The model's limits."""
        return self.settings.limits


@dataclass(frozen=True, slots=True)
class Candidate:
    """One plan to try: levels, and values that were solved again for them."""

    levels: Mapping[str, str]
    refit: Refit = field(default_factory=Refit)
    solved: str = ""


@dataclass(frozen=True, slots=True)
class _Tried:
    """One plan with its size and what was measured."""

    candidate: Candidate
    size_bytes: int
    measured: Measured


def choose_plans(exploring: Exploring) -> PrecisionReport:
    """Write the artifacts that the gate will judge, in order; return what was found on the way.

    Parameters
    ----------
    exploring : Exploring

    Raises
    ------
    WorkerCrashed, WorkerTimeout
        The child that measures died, or was stopped at its time limit.
    QuantizationError
        The model cannot be measured.
    """
    recipe = exploring.settings.recipe("auto")
    ladders = find_ladders(exploring.graph, recipe)
    options = coarser_options(ladders)
    chosen, cut = affordable(options, exploring.graph, exploring.settings.time_budget_seconds)
    effort: Effort = "best" if exploring.graph.nbytes() < _SMALL_MODEL_BYTES else "fast"
    quick = StreamCache(effort)
    base = base_levels(ladders)
    candidates = {
        id(candidate): (candidate, one, level)
        for one, level in chosen
        for candidate in [Candidate(with_level(base, one.key, level))]
    }
    alone, rows = _try(exploring, [candidate for candidate, _, _ in candidates.values()], quick)
    nothing, _ = _sized(exploring, Candidate(base), quick)
    points: dict[str, list[Point]] = {}
    for tried in alone:
        _, one, level = candidates[id(tried.candidate)]
        point = Point(level, nothing - tried.size_bytes, tried.measured.distortion.value)
        if not tried.measured.fault:
            points.setdefault(one.key, []).append(point)
    steps = sweep(points)
    plans = nested(steps, base, EXACT_LEVEL)
    predicted = [nothing]
    for step in steps:
        predicted.append(predicted[-1] - step.saved_bytes)
    few = thinned([max(size, 1) for size in predicted], _MOST_MEASURED)
    wholes, refits = _wholes(exploring, [plans[at] for at in few], quick)
    report = PrecisionReport(
        division=exploring.answers.division if exploring.answers else None,
        rows=rows,
        exact_bytes=exploring.lossless.stat().st_size,
        sensitivities=tuple(_sensitivities(ladders, points)),
        curve=tuple(_predicted_point(tried) for tried in wholes),
        options=len(chosen),
        cut=tuple(cut),
        refits=refits,
        training_rows=len(exploring.labelled) if exploring.labelled else 0,
    )
    return replace(report, plans=tuple(_written(exploring, _for_the_gate(exploring, wholes))))


def _sensitivities(
    ladders: Iterable[AnyLadder], points: Mapping[str, Sequence[Point]]
) -> Iterable[Sensitivity]:
    for ladder in ladders:
        if ladder.key in points:
            yield Sensitivity(ladder.component, ladder.name, tuple(points[ladder.key]))


def _predicted_point(tried: _Tried) -> PlannedArtifact:
    return PlannedArtifact(
        file="",
        levels=tried.candidate.levels,
        precision="",
        size_bytes=tried.size_bytes,
        distortion=tried.measured.distortion,
        loss_bound=tried.measured.loss_bound,
        margin=tried.measured.margin,
        components=(),
    )


def _for_the_gate(exploring: Exploring, wholes: Sequence[_Tried]) -> list[_Tried]:
    """The plans to judge, from the safest to the smallest.

    The first are safe by a wide margin. The last is the smallest that has any prospect.
    """
    usable: list[_Tried] = []
    for tried in wholes:
        if not tried.measured.fault and (
            not usable or tried.size_bytes < _SMALLER * usable[-1].size_bytes
        ):
            usable.append(tried)
    if not usable:
        return []
    budget = exploring.settings.budget_bytes(exploring.source.size_bytes)
    if budget is not None:
        within = [one for one in usable if one.size_bytes * 1.02 + _SEALING_BYTES <= budget]
        return (within or usable[-1:])[:1]
    margins = [one.measured.margin for one in usable]
    known = [margin for margin in margins if margin is not None]
    if len(known) == len(usable):
        worth, safe_limit, last_limit = _smoothed(known), _SAFE, _PROMISING
    else:
        worth = [one.measured.distortion.value for one in usable]
        safe_limit, last_limit = _LITTLE, _MOST_WITHOUT_ROWS
    safe = _last_before(worth, safe_limit)
    last = max((at for at, value in enumerate(worth) if value <= last_limit), default=0)
    changed = [one.measured.distortion.value for one in usable]
    # The base comes first, whatever was measured: rows made from a model may miss what data show.
    before = [0, *(min(_last_before(changed, limit), safe) for limit in _LITTLE_CHANGED)]
    descent = _descent(usable, safe, max(last, safe))
    beyond = range(descent[-1] + 1, min(descent[-1] + 1 + _BEYOND, len(usable)))
    chosen = [usable[at] for at in dict.fromkeys((*before, *descent, *beyond))]
    return chosen[:MOST_PLANS]


def _smoothed(values: Sequence[float]) -> list[float]:
    """Each value with its neighbours: one plan of many looks safe by luck."""
    found = []
    for at in range(len(values)):
        near = values[max(at - 1, 0) : at + 2]
        found.append(sum(near) / len(near))
    return found


def _last_before(values: Sequence[float], limit: float) -> int:
    """The last place before which, and at which, nothing exceeds the limit; 0 at least."""
    for at, value in enumerate(values):
        if value > limit:
            return max(at - 1, 0)
    return len(values) - 1


def _descent(usable: Sequence[_Tried], safe: int, last: int) -> list[int]:
    """Plans from the safe one to the last, each smaller than the one before by a good part.

    Every plan that is judged may be the one that chance fails, and ends the trial: the fewer, the
    further it gets.
    """
    ratio = usable[last].size_bytes / usable[safe].size_bytes
    count = 1 + ceil(log(ratio) / log(1 - _LEAST_STEP)) if ratio < 1 else 1
    places = thinned(
        [float(one.size_bytes) for one in usable[safe : last + 1]],
        max(2, min(count, MOST_PLANS - 1)),
    )
    return [safe + at for at in places]


def _written(exploring: Exploring, chosen: Sequence[_Tried]) -> Iterable[PlannedArtifact]:
    smallest = None
    for number, tried in enumerate(chosen):
        plan = exploring.assigner.plan(tried.candidate.levels, tried.candidate.refit)
        plan = keep_exact_where_smaller(plan)
        data, costs = artifact_of(
            plan, exploring.source, exploring.description, exploring.cache.encode
        )
        if smallest is not None and len(data) >= smallest:
            continue
        smallest = len(data)
        file = f"{PLAN}{number:02d}.qma"
        (exploring.workspace / file).write_bytes(data)
        yield PlannedArtifact(
            file=file,
            levels=tried.candidate.levels,
            precision=plan.precision,
            size_bytes=len(data),
            distortion=tried.measured.distortion,
            loss_bound=tried.measured.loss_bound,
            margin=tried.measured.margin,
            components=costs,
            notes=tuple(
                note for note in plan.graph.notes if note not in exploring.description.notes
            ),
        )


def _wholes(
    exploring: Exploring, assignments: Sequence[Mapping[str, str]], quick: StreamCache
) -> tuple[list[_Tried], tuple[str, ...]]:
    """Plans measured as wholes, each with the values that serve it best, and what those gained.

    Values are solved on calibration rows, and kept where the answers to the selection rows get
    nearer to the original's.
    """
    first, _ = _try(exploring, [Candidate(each) for each in assignments], quick, judged=True)
    if not exploring.refits:
        return first, ()
    best = dict(enumerate(first))
    tiers: list[str] = []
    for solve in (_compensated, _distilled, _trained, _rescaled):
        again = {at: solve(exploring, tried) for at, tried in best.items() if _is_open(tried)}
        wanted = {at: candidate for at, candidate in again.items() if candidate is not None}
        found, _ = _try(exploring, list(wanted.values()), quick, judged=True)
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


def _gained(before: _Tried, after: _Tried) -> str:
    """What was solved again for one plan, and what that changed."""
    old, new = before.measured, after.measured
    found = (
        f"{after.candidate.solved}: distortion {old.distortion.value:.3g} -> "
        f"{new.distortion.value:.3g}"
    )
    if old.loss_bound is not None and new.loss_bound is not None:
        found += f", bound {old.loss_bound:.2g} -> {new.loss_bound:.2g}"
    return f"{found} at {after.size_bytes:,} bytes"


def _is_open(tried: _Tried) -> bool:
    """Whether solving again could matter: the plan changes something, and is not beyond hope."""
    measured = tried.measured
    hopeless = measured.margin is not None and measured.margin > _HOPELESS
    return not measured.fault and not hopeless and measured.distortion.value > _NOTHING


def _is_nearer(after: _Tried, before: _Tried) -> bool:
    if after.measured.fault:
        return False
    return after.measured.distortion.value < before.measured.distortion.value


def _is_proven_sooner(after: _Tried, before: _Tried) -> bool:
    """Whether the gate's bounds are expected further from their limits: labels know the truth."""
    new, old = after.measured, before.measured
    if new.loss is None or old.loss is None or new.margin is None or old.margin is None:
        return _is_nearer(after, before)
    return not new.fault and new.margin < old.margin


def _compensated(exploring: Exploring, tried: _Tried) -> Candidate | None:
    candidate = tried.candidate
    if not exploring.inputs or tried.measured.fault:
        return None
    refit = compensated(exploring.assigner.plan(candidate.levels), exploring.inputs)
    return Candidate(candidate.levels, refit, "rounded together") if refit.arrays else None


def _distilled(exploring: Exploring, tried: _Tried) -> Candidate | None:
    candidate = tried.candidate
    if not exploring.inputs or tried.measured.fault:
        return None
    if tried.measured.distortion.value < _WORTH_TRAINING:
        return None  # it answers as the exact one does already
    plan = exploring.assigner.plan(candidate.levels)
    refit = distilled(plan, candidate.refit, exploring.inputs)
    solved = ", ".join(filter(None, (candidate.solved, "distilled")))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _trained(exploring: Exploring, tried: _Tried) -> Candidate | None:
    candidate, labelled = tried.candidate, exploring.labelled
    if labelled is None or exploring.answers is None or tried.measured.fault:
        return None
    plan = exploring.assigner.plan(candidate.levels)
    refit = trained(plan, exploring.answers.answered, candidate.refit, labelled)
    word = f"trained on {len(labelled):,} labelled rows"
    solved = ", ".join(filter(None, (candidate.solved, word)))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _rescaled(exploring: Exploring, tried: _Tried) -> Candidate | None:
    candidate, corrections = tried.candidate, tried.measured.corrections
    if not corrections or tried.measured.fault or exploring.answers is None:
        return None
    plan = exploring.assigner.plan(candidate.levels)
    path = readout(plan, exploring.answers.answered)
    refit = rescaled(plan, path, candidate.refit, corrections) if path is not None else None
    solved = ", ".join(filter(None, (candidate.solved, "scores rescaled")))
    return None if refit is None else Candidate(candidate.levels, refit, solved)


def _sized(exploring: Exploring, candidate: Candidate, quick: StreamCache) -> tuple[int, Plan]:
    plan = exploring.assigner.plan(candidate.levels, candidate.refit)
    data, _ = artifact_of(plan, exploring.source, exploring.description, quick.encode)
    return len(data), plan


def _try(
    exploring: Exploring,
    candidates: Sequence[Candidate],
    quick: StreamCache,
    *,
    judged: bool = False,
) -> tuple[list[_Tried], int]:
    """The size and the measurement of each plan that can be encoded, and the rows asked."""
    tried: list[_Tried] = []
    waiting: list[tuple[Candidate, int, Path]] = []
    rows = held = 0

    def flush() -> None:
        nonlocal rows, held
        if waiting:
            reply = _measure(exploring, [path for _, _, path in waiting], judged=judged)
            rows = reply.rows
            for (candidate, size, path), found in zip(waiting, reply.measured, strict=True):
                tried.append(_Tried(candidate, size, found))
                path.unlink()
        waiting.clear()
        held = 0

    for number, candidate in enumerate(candidates):
        try:
            size, plan = _sized(exploring, candidate, quick)
        except SchemeError:
            continue  # values that this scheme cannot hold
        data, _ = artifact_of(plan, exploring.source, exploring.description, raw_stream)
        path = exploring.workspace / f"option-{number:03d}.qma"
        path.write_bytes(data)
        waiting.append((candidate, size, path))
        held += len(data)
        if held > _BATCH_BYTES:
            flush()
    flush()
    return tried, rows


def _measure(exploring: Exploring, artifacts: list[Path], *, judged: bool) -> MeasureReply:
    settings, answers = exploring.settings, exploring.answers
    chooses = answers is not None and answers.division is not None and answers.division.selection
    rows = None
    if answers is not None and chooses:
        rows = answers.request(settings)
    request = MeasureRequest(
        reference=exploring.lossless,
        artifacts=tuple(artifacts),
        answered=answers.answered if answers is not None and chooses else None,
        methods=exploring.methods,
        rows=rows,
        expected=answers.expected if answers is not None and chooses else None,
        gate=settings.gate if judged and chooses else None,
        fits=bool(judged and chooses),
        gate_rows=answers.division.gate if answers is not None and answers.division else 0,
        probed=exploring.probed,
        trusted=settings.trusted,
        import_path=import_path(settings.trust),
        limits=exploring.limits,
        workspace=exploring.workspace,
    )
    files = map(str, (exploring.lossless, *artifacts))
    reads = (*files, *(rows.files if rows else ()), *request.import_path)
    reply = ask_child(
        measure_plans, request, exploring.limits, Access(str(exploring.workspace), reads)
    )
    if len(reply.measured) != len(artifacts):
        raise QuantizationError(
            "the child measured another number of artifacts than it was given",
            expected=str(len(artifacts)),
            got=str(len(reply.measured)),
            do="do not use this file: what answered was taken over, or is broken",
        )
    return reply
