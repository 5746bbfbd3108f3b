"""From the ladders of a model to the artifacts that the gate judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from model_quantization.artifact.writer import StreamCache
from model_quantization.codecs.abc import Effort
from model_quantization.pipeline.precision.exploring import Candidate, Exploring, Tried
from model_quantization.pipeline.precision.judged import plans_to_judge
from model_quantization.pipeline.precision.measuring import sized, try_plans
from model_quantization.pipeline.precision.refits import measured_as_wholes
from model_quantization.pipeline.record import (
    PlannedArtifact,
    PrecisionReport,
    Sensitivity,
    artifact_of,
)
from model_quantization.planning.allocation import Point, Step, nested, sweep, thinned
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.ladders import (
    EXACT_LEVEL,
    AnyLadder,
    base_levels,
    coarser_options,
    find_ladders,
    with_level,
)
from model_quantization.planning.work import LARGE_BYTES, affordable

PLAN: Final = "plan-"
"""The names of the artifacts that the gate judges begin with this."""
_MOST_MEASURED: Final = 16  # plans that are measured as wholes
_MOST_OF_LARGE: Final = 10  # the same of a model of which each takes about a second
_HOPELESS_DISTORTION: Final = 0.05  # of the steps together; votes of neighbours alone may pass it
_FEWEST_BEFORE_CUTTING: Final = 12  # plans
_SMALL_MODEL_BYTES: Final = 1 << 18  # up to here the best compression costs little time


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
    alone, rows = try_plans(
        exploring, [candidate for candidate, _, _ in candidates.values()], quick
    )
    nothing = sized(exploring, Candidate(base), quick)
    points: dict[str, list[Point]] = {}
    for tried in alone:
        _, one, level = candidates[id(tried.candidate)]
        point = Point(level, nothing - tried.size_bytes, tried.measured.distortion.value)
        if not tried.measured.fault:
            points.setdefault(one.key, []).append(point)
    steps = sweep(points)
    plans = nested(steps, base, EXACT_LEVEL)
    large = exploring.graph.nbytes() > LARGE_BYTES
    few = _worth_measuring(nothing, steps, _MOST_OF_LARGE if large else _MOST_MEASURED)
    wholes, refits = measured_as_wholes(exploring, [plans[at] for at in few], quick)
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
    return replace(report, plans=tuple(_written(exploring, plans_to_judge(exploring, wholes))))


def _worth_measuring(
    base_bytes: int, steps: Sequence[Step], most: int = _MOST_MEASURED
) -> tuple[int, ...]:
    """The plans to measure as wholes: places in the sequence of nested ones.

    Of many plans those that lose all the model knows are left out, but for the first of them: the
    places go to plans that the gate may pass.
    """
    sizes, changed = [float(base_bytes)], 0.0
    for step in steps:
        if changed > _HOPELESS_DISTORTION and len(sizes) >= _FEWEST_BEFORE_CUTTING:
            break
        sizes.append(max(sizes[-1] - step.saved_bytes, 1.0))
        changed += step.distortion
    return thinned(sizes, most)


def _sensitivities(
    ladders: Iterable[AnyLadder], points: Mapping[str, Sequence[Point]]
) -> Iterable[Sensitivity]:
    for ladder in ladders:
        if ladder.key in points:
            yield Sensitivity(ladder.component, ladder.name, tuple(points[ladder.key]))


def _predicted_point(tried: Tried) -> PlannedArtifact:
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


def _written(exploring: Exploring, chosen: Sequence[Tried]) -> Iterable[PlannedArtifact]:
    smallest = None
    for number, tried in enumerate(chosen):
        plan = exploring.assigner.plan(tried.candidate.levels, tried.candidate.refit)
        plan = keep_exact_where_smaller(plan, sampled=True)
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
