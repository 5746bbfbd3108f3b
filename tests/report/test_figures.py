"""The figures: what is drawn, for any outcomes, and that nothing from outside is markup."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as Tree

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.outcome import Guarantee, Outcome, Status
from model_quantization.report.page.breakdown import draw_bytes
from model_quantization.report.page.document import draw_pictures
from model_quantization.report.page.drawing import Picture, shorten
from model_quantization.report.page.figures import draw_changes, draw_latencies, draw_sizes
from model_quantization.report.page.placing import LETTER, LINE, place_labels
from model_quantization.report.page.trend import draw_trend
from tests.report.made import HOSTILE, make_history, make_outcome, make_outcomes

FORTY = make_outcomes(40)
FEW = FORTY[:8]


def texts(picture: Picture) -> list[str]:
    """Every text that is drawn, titles under the pointer left out."""
    return ["".join(item.itertext()) for item in Tree.fromstring(picture.svg).iter("text")]


def titles(picture: Picture) -> list[str]:
    return [item.text or "" for item in Tree.fromstring(picture.svg).iter("title")]


def test_every_figure_is_drawn_and_described() -> None:
    pictures = draw_pictures(FORTY, make_history(FORTY, 5))
    assert [p.key for p in pictures] == ["sizes", "changes", "latencies", "bytes", "trend"]
    for picture in pictures:
        root = Tree.fromstring(picture.svg)
        assert root.tag == "svg"
        assert root.get("role") == "img"
        assert root.get("aria-label") == picture.alt != ""
        assert picture.title and picture.caption


def test_figures_follow_the_colours_of_the_page() -> None:
    for picture in draw_pictures(FORTY, make_history(FORTY, 5)):
        assert not re.findall(r"#[0-9a-f]{6}\b", picture.svg)
        assert set(re.findall(r"var\((--[\w-]+)\)", picture.svg)) <= {
            "--ink", "--muted", "--rule", "--paper", "--good", "--warn", "--bad", "--quiet",
            "--series-1", "--series-2", "--series-3", "--series-4",
        }  # fmt: skip


def test_figures_name_nothing_outside_the_page() -> None:
    for picture in draw_pictures(FORTY, make_history(FORTY, 5)):
        assert "http" not in picture.svg
        assert "font-family" not in picture.svg
        assert set(re.findall(r'href="(.)', picture.svg)) <= {"#"}


def test_no_id_is_used_twice_on_the_page() -> None:
    svg = "".join(p.svg for p in draw_pictures(FORTY, make_history(FORTY, 5)))
    found = re.findall(r'\bid="([^"]+)"', svg)
    assert len(found) == len(set(found))
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert {name for name in used if not re.fullmatch(r"m\d+", name)} <= set(found)


def test_the_same_outcomes_give_the_same_bytes_whatever_the_user_has_set() -> None:
    first = draw_pictures(FEW, make_history(FEW, 5))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        mine = dict(matplotlib.rcParams)
        assert draw_pictures(FEW, make_history(FEW, 5)) == first
        assert dict(matplotlib.rcParams) == mine


def test_figures_can_be_drawn_in_several_threads() -> None:
    found: list[list[Picture]] = []
    work = [threading.Thread(target=lambda: found.append(draw_pictures(FEW, ()))) for _ in range(3)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert found == [draw_pictures(FEW, ())] * 3


@pytest.mark.parametrize(
    ("picture", "caption"),
    [
        (draw_sizes([]), "No file has a size yet."),
        (draw_changes([]), "No model was scored on held-out rows."),
        (draw_latencies([]), "Latency was not measured in these runs."),
        (draw_bytes([]), "These runs have no figures of components."),
        (draw_trend(make_history(FORTY, 1)), "The trend is drawn from the second release on."),
    ],
    ids=lambda value: value.key if isinstance(value, Picture) else "",
)
def test_a_figure_of_nothing_says_so(picture: Picture, caption: str) -> None:
    assert picture.svg == ""
    assert picture.caption == caption


def test_beyond_the_largest_models_sizes_are_summed() -> None:
    outcomes = [make_outcome(f"m{i:02}", source_size_bytes=10**6 - i) for i in range(9)]
    picture = draw_sizes(outcomes, top=4)
    drawn = texts(picture)
    assert [name for name in drawn if name.startswith("m0")] == ["m00", "m01", "m02", "m03"]
    assert "5 more, summed" in drawn
    assert "the rest: 5.0 MB → 888.8 KB" in titles(picture)
    assert picture.caption.endswith("The other 5 are summed in the last line.")


def test_an_original_that_stays_is_marked_with_its_verdict() -> None:
    lost = make_outcome("lost", status=Status.FALLBACK, artifact=None, score_change=-0.3)
    drawn = texts(draw_sizes([lost, make_outcome("fine")]))
    assert {"fallback", "16x"} <= set(drawn)


def test_a_loss_beyond_the_scale_is_drawn_at_the_edge_with_its_figure() -> None:
    lost = make_outcome("lost", status=Status.FALLBACK, artifact=None, score_change=-13258.49)
    picture = draw_changes([make_outcome("fine"), lost])
    assert "lost (-13,258)" in texts(picture)
    assert "1 beyond the scale" in picture.caption
    assert "allowed drop 0.005" in texts(picture)
    assert [key.word for key in picture.legend] == ["1 published", "1 fallback"]


def test_marks_lead_to_the_rows_of_their_models() -> None:
    svg = draw_changes(FORTY).svg
    linked = re.findall(r'<a href="#m(\d+)" tabindex="-1"><title>([^:<]+):', svg)
    scored = [outcome for outcome in FORTY if outcome.score_change is not None]
    assert len(linked) == len(scored)
    assert all(FORTY[int(row)].name == name for row, name in linked)


def test_latencies_count_the_faster_ones() -> None:
    slow = make_outcome("slow", latency_us_after=2000.0)
    picture = draw_latencies([make_outcome("a"), slow, make_outcome("b", latency_us_after=None)])
    assert picture.alt == "1 of 2 artifacts answer one row faster than their original."
    assert "slow" in texts(picture)


def test_bytes_are_summed_by_family() -> None:
    picture = draw_bytes([make_outcome("a"), make_outcome("b")])
    assert {"text", "linear", "TfidfVectorizer", "before: 6.5 MB", "5.2 MB", "1.3 MB"} <= set(
        texts(picture)
    )
    assert "text, TfidfVectorizer: 264.0 KB (100 %)" in titles(picture)


def test_small_families_are_one_bar() -> None:
    parts = [
        {"family": f"f{i}", "type": "a:T", "bytes_before": 100 - i, "bytes_after": 10}
        for i in range(12)
    ]
    drawn = texts(draw_bytes([make_outcome("a", components=parts)], top=3))
    assert [text for text in drawn if re.fullmatch(r"f\d+|\d+ more", text)][:1] == ["f0"]
    assert "9 more" in drawn


def test_the_trend_shows_the_last_releases_only() -> None:
    picture = draw_trend(make_history(FORTY, 9), last=4)
    assert picture.alt.startswith("4 releases: ")
    assert {"6 · 11-07", "9 · 11-10"} <= set(texts(picture))


@pytest.mark.parametrize("draw", [draw_sizes, draw_changes, draw_latencies, draw_bytes])
def test_names_from_outside_stay_text(draw: Any) -> None:
    part = {"family": HOSTILE, "type": f"x:{HOSTILE}", "bytes_before": 9, "bytes_after": 5}
    names = [HOSTILE, "$\\frac{1}$", "模型 🙂", "\udcff\x00", "@00000@ @99999@ #0a0b01"]
    picture = draw([make_outcome(name, components=[part]) for name in names])
    tags = {item.tag for item in Tree.fromstring(picture.svg).iter()}
    assert tags <= {"svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "title", "a"}
    assert "<img" not in picture.svg
    assert "<script" not in picture.svg


numbers = st.one_of(
    st.none(), st.floats(-1e12, 1e12), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e300])
)
outcomes_of_any_kind = st.lists(
    st.builds(
        Outcome,
        name=st.text(max_size=12),
        source=st.just("s"),
        status=st.sampled_from(Status),
        guarantee=st.sampled_from(Guarantee),
        artifact=st.sampled_from([None, "objects/x.qma"]),
        source_size_bytes=st.integers(0, 10**15),
        artifact_size_bytes=st.integers(0, 10**15),
        score_before=numbers,
        score_after=numbers,
        score_change=numbers,
        latency_us_before=numbers,
        latency_us_after=numbers,
        components=st.just([]),
    ),
    max_size=5,
)


@settings(deadline=None, derandomize=True, max_examples=10)
@given(outcomes_of_any_kind)
def test_any_outcomes_can_be_drawn(outcomes: list[Outcome]) -> None:
    for picture in draw_pictures(outcomes, make_history(outcomes, 3)):
        if picture.svg:
            Tree.fromstring(picture.svg)


def test_a_single_model_can_be_drawn() -> None:
    one = replace(make_outcome("only"), latency_us_after=939.9, artifact_size_bytes=2_806_559)
    assert all(p.svg for p in draw_pictures([one], make_history([one], 2)))


def test_long_names_lose_their_middle() -> None:
    assert shorten("a_rather_long_name_0042", 11) == "a_rat…_0042"
    assert shorten("short", 5) == "short"


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), max_size=8),
    st.integers(1, 25),
)
def test_labels_cover_neither_each_other_nor_the_edge(
    points: list[tuple[float, float]], length: int
) -> None:
    boxes = [(150.0, 100.0, 210.0, 112.0)]  # another text
    places = place_labels(
        points, [length] * len(points), (0, 0, 400, 300), points, lines=points, taken=boxes
    )
    for (x, y), at in zip(points, places, strict=True):
        if at is not None:
            width = LETTER * length
            left = x + at.dx - {"left": 0, "center": width / 2, "right": width}[at.side]
            boxes.append((left, y + at.dy - LINE / 2, left + width, y + at.dy + LINE / 2))
    for index, box in enumerate(boxes):
        assert box[0] >= -1e-9 and box[2] <= 400 + 1e-9
        assert box[1] >= -1e-9 and box[3] <= 300 + 1e-9
        for other in boxes[:index]:
            apart = box[2] <= other[0] or other[2] <= box[0]
            assert apart or box[3] <= other[1] or other[3] <= box[1]
