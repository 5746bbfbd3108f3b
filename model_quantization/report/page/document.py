"""The page itself: totals, what needs attention, the figures, and every model with its evidence."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from model_quantization.extras import need
from model_quantization.numerals import fixed, plural
from model_quantization.outcome import Outcome
from model_quantization.report.changes import last_changes
from model_quantization.report.history import HistoryRow
from model_quantization.report.page.breakdown import draw_bytes
from model_quantization.report.page.drawing import Picture
from model_quantization.report.page.evidence import (
    MANY,
    MAX_COMPONENTS,
    MAX_COMPONENTS_OF_MANY,
    ModelView,
    view_model,
)
from model_quantization.report.page.figures import (
    FEW_MODELS,
    draw_changes,
    draw_latencies,
    draw_sizes,
)
from model_quantization.report.page.trend import draw_trend
from model_quantization.report.run_facts import RunFacts
from model_quantization.report.summary import MANY_NO_GAIN, older_line, served_bytes, total_line
from model_quantization.report.table import (
    COLUMNS,
    NUMERIC,
    human_bytes,
    order_outcomes,
    table_rows,
)
from model_quantization.report.table import times_smaller as smaller

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent
MAX_ATTENTION = 8
MAX_CHANGES = 24
MAX_DRAWN = 60  # models with a picture of their own: each has about 10 KB


@dataclass(frozen=True, slots=True)
class Total:
    """A figure of the whole release: its name, value and detail."""

    name: str
    figure: str
    detail: str


def render_page(
    outcomes: Iterable[Outcome],
    history: Sequence[HistoryRow] = (),
    *,
    release: int = 0,
    created: str = "",
    facts: RunFacts | None = None,
) -> str:
    """Return `report.html`: one file without others, the same for the same arguments.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Every model of the release.
    history : sequence of HistoryRow
        For the trend; without, none is drawn.
    release : int
        The release's number; 0: not said.
    created : str
        When it was made.
    facts : RunFacts, optional
        Of the run that made it.

    Raises
    ------
    MissingExtra
        The extra `report` is not installed.
    """
    need("the report page", "jinja2", "matplotlib")
    ordered = order_outcomes(outcomes)
    rows = table_rows(ordered)
    most = MAX_COMPONENTS if len(ordered) <= MANY else MAX_COMPONENTS_OF_MANY
    models = [
        view_model(row, outcome, cells, most, draws=row < MAX_DRAWN)
        for row, (outcome, cells) in enumerate(zip(ordered, rows, strict=True))
    ]
    script = (FOLDER / "script.html").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("template.html")
        .render(
            release=release,
            created=created.replace("T", " ").replace("Z", " UTC"),
            headline=total_line(ordered).replace(" -> ", " → "),
            older=older_line(ordered),
            totals=_totals(ordered),
            facts=facts.lines() if facts else (),
            changes=last_changes(history),
            max_changes=MAX_CHANGES,
            few=len(ordered) <= FEW_MODELS,
            folded=sum(model.folded for model in models),
            many_folded=MANY_NO_GAIN,
            plural=plural,
            verdicts=Counter((model.verdict, model.tone) for model in models),
            attention=_attention(models),
            more_attention=max(0, sum(map(_needs_attention, models)) - MAX_ATTENTION),
            pictures=draw_pictures(ordered, history),
            columns=[(name, name in NUMERIC) for name in COLUMNS if name != "note"],
            models=models,
            script_hash=_script_hash(script),
        )
    )


def draw_pictures(outcomes: Sequence[Outcome], history: Sequence[HistoryRow]) -> list[Picture]:
    """The figures, in the order of the page. A mark leads to the model's place in `outcomes`."""
    return [
        draw_sizes(outcomes),
        draw_changes(outcomes),
        draw_latencies(outcomes),
        draw_bytes(outcomes),
        draw_trend(history),
    ]


def _totals(outcomes: Sequence[Outcome]) -> list[Total]:
    before = sum(item.source_size_bytes for item in outcomes)
    after = sum(map(served_bytes, outcomes))
    served = [item for item in outcomes if item.published]
    times = smaller(before, after)
    totals = [
        Total(
            "Served bytes",
            "-" if times == "-" else f"{times} smaller",
            f"{human_bytes(before)} → {human_bytes(after)}",
        ),
        Total("Published", f"{len(served):,} of {len(outcomes):,}", _stays(outcomes, served)),
    ]
    changes = [item.score_change for item in served if item.score_change is not None]
    if changes:
        lost = sum(change < 0 for change in changes)
        totals.append(
            Total(
                "Largest loss of a score served",
                _loss(-min(changes)),
                f"{lost:,} of {plural(len(changes), 'scored model')} lost any",
            )
        )
    speeds = [
        item.latency_us_before / item.latency_us_after
        for item in served
        if item.latency_us_before and item.latency_us_after
    ]
    if speeds:
        times = f"{median(speeds):.2g}" if median(speeds) < 10 else f"{median(speeds):,.0f}"
        totals.append(
            Total(
                "One row, median model",
                f"{times}x as fast",
                f"{plural(len(speeds), 'model')} timed",
            )
        )
    return totals


def _loss(loss: float) -> str:
    if loss <= 0:
        return "none"
    return fixed(loss) if loss >= 5e-5 else f"{loss:.0e}"


def _stays(outcomes: Sequence[Outcome], served: Sequence[Outcome]) -> str:
    """The sentence on models that are not published."""
    rest = len(outcomes) - len(served)
    if not rest:
        return "no original had to stay" if outcomes else "there are no models"
    return "the other original stays" if rest == 1 else "the other originals stay"


def _needs_attention(model: ModelView) -> bool:
    return model.tone in ("bad", "warn")


def _attention(models: Sequence[ModelView]) -> list[ModelView]:
    return [model for model in models if _needs_attention(model)][:MAX_ATTENTION]


def _script_hash(script: str) -> str:
    """The hash of the script, the only one that the page's policy allows."""
    match = re.search(r"<script>(.*)</script>", script, re.DOTALL)
    body = match[1] if match else ""
    return base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
