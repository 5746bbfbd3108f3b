"""`report.html` in a real browser: it opens, sorts, filters, unfolds, and adapts.

Skipped without Playwright's Python package and a Chromium on the path (Debian: `apt-get install
chromium`). Timings are recorded by `benchmarks/report_page.py`; here is only a generous limit.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_quantization.report.page.document import render_page
from model_quantization.report.table import order_outcomes
from tests.report.made import HOSTILE, make_history, make_outcome, make_outcomes

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OPENS_WITHIN_MS = 30_000
OUTCOMES = [*make_outcomes(60), make_outcome(HOSTILE, source_size_bytes=10**9)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    html = render_page(OUTCOMES, make_history(OUTCOMES, 5), release=5, created="2026-11-24")
    path.write_text(html, "utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    """The open report; anything on the console, or any request, is a failure."""
    with Opened(browser, report, viewport={"width": 1440, "height": 900}) as opened:
        yield opened


class Opened:
    """The report in a tab of its own, which has nothing to complain about when it is closed."""

    def __init__(self, browser: Any, report: str, **options: Any) -> None:
        self.report = report
        self.page = browser.new_page(**options)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _request(self, request: Any) -> None:
        if request.url.split("#")[0] not in (self.report, "data:,"):
            self.complaints.append(request.url)

    def __enter__(self) -> Any:
        self.page.goto(self.report, timeout=OPENS_WITHIN_MS)
        return self.page

    def __exit__(self, *_: object) -> None:
        self.page.close()
        assert self.complaints == []


def names(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#table > tbody:not([hidden]) th[scope=row]",
        "cells => cells.map(cell => cell.textContent.trim())",
    )
    return found


def press(page: Any, column: str) -> str:
    """How the table is sorted by `column` after a click on its heading."""
    head = page.locator("#table thead th").filter(has_text=column).first
    head.locator("button").click()
    state: str = head.get_attribute("aria-sort")
    return state


def test_it_opens_with_the_worst_news_first(page: Any) -> None:
    expected = [outcome.name for outcome in order_outcomes(OUTCOMES)]
    assert [name for name in names(page) if "<img" not in name] == [
        name for name in expected if name != HOSTILE
    ]
    assert page.title() == "Quantized models, release 5"
    assert page.locator("svg").count() == 5


def test_a_hostile_name_is_only_shown(page: Any) -> None:
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert page.locator("th", has_text="onerror=").is_visible()
    assert page.title() == "Quantized models, release 5"


def test_columns_sort_by_number_and_by_text(page: Any) -> None:
    sizes = {outcome.name: outcome.source_size_bytes for outcome in OUTCOMES}
    assert press(page, "before") == "descending"
    assert "<img" in names(page)[0]
    shown = [sizes[name] for name in names(page)[1:]]
    assert shown == sorted(shown, reverse=True)
    assert press(page, "before") == "ascending"
    shown = [sizes[name] for name in names(page)[:-1]]
    assert shown == sorted(shown)
    assert press(page, "model") == "ascending"
    assert page.locator("[aria-sort=none]").count() == 9
    assert press(page, "verdict") == "ascending"
    assert names(page)[0] == order_outcomes(OUTCOMES)[0].name


def test_models_without_a_figure_sort_last(page: Any) -> None:
    scored = {outcome.name for outcome in OUTCOMES if outcome.score_change is not None}
    for _ in range(2):
        press(page, "change")
        known = [name in scored or "<img" in name for name in names(page)]
        assert known == sorted(known, reverse=True)
        assert not all(known)


def test_the_filter_and_the_verdicts_narrow_the_table(page: Any) -> None:
    page.fill("#filter", "FOREST _eu")
    found = names(page)
    assert found and all("forest" in name and "_eu" in name for name in found)
    assert page.inner_text("#count") == f"{len(found)} of 61 models"
    page.fill("#filter", "")
    page.locator(".chip[data-verdict=exact]").click()
    exact = [outcome for outcome in OUTCOMES if outcome.guarantee == "exact"]
    assert len(names(page)) == len(exact)
    page.fill("#filter", "no such model")
    assert names(page) == []
    page.locator("#clear").click()
    assert len(names(page)) == 61


def test_evidence_unfolds(page: Any) -> None:
    details = page.locator("#m0 details")
    assert not page.get_by_text("What to do").first.is_visible()
    details.locator("summary").click()
    assert details.get_by_text("What to do").is_visible()


def test_marks_and_news_lead_to_the_evidence(page: Any) -> None:
    page.fill("#filter", "no such model")
    page.locator(".attention a").first.click()
    page.wait_for_function("document.querySelector('#m0 details').open")
    assert page.locator("#m0 details").get_by_text("What to do").is_visible()
    link = page.locator("#figure-changes svg a").first
    row = link.get_attribute("href")
    link.dispatch_event("click")
    page.wait_for_function(f"document.querySelector('{row} details').open")


def test_it_is_readable_without_its_script(browser: Any, report: str) -> None:
    with Opened(browser, report, java_script_enabled=False) as page:
        page.locator("#m0 summary").click()
        assert page.locator("#m0 details").get_by_text("What to do").is_visible()
        assert not page.locator("#filter").is_visible()


@pytest.mark.parametrize("width", [360, 390, 768, 1000, 1280, 1920])
def test_nothing_is_wider_than_the_screen(browser: Any, report: str, width: int) -> None:
    with Opened(browser, report, viewport={"width": width, "height": 800}) as page:
        page.locator("#m0 details").evaluate("details => { details.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_gets_cards_with_an_order_to_choose(browser: Any, report: str) -> None:
    with Opened(browser, report, viewport={"width": 390, "height": 844}) as page:
        assert not page.locator("#table thead").is_visible()
        page.select_option("#order", label="before")
        assert "<img" in names(page)[0]
        label = page.locator("#m0 td").first.evaluate(
            "cell => getComputedStyle(cell, ':before').content"
        )
        assert label == '"family"'


def test_dark_light_narrow_and_print_differ(browser: Any, report: str) -> None:
    shots = set()
    for options in (
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    ):
        with Opened(browser, report, **options) as page:
            shots.add(page.screenshot())
    with Opened(browser, report) as page:
        page.emulate_media(media="print")
        shots.add(page.screenshot())
        assert not page.locator("#filter").is_visible()
    assert len(shots) == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser: Any, report: str, scheme: str) -> None:
    with Opened(browser, report, color_scheme=scheme) as page:
        ratios = page.evaluate(CONTRASTS)
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


# Contrast as WCAG 2 defines it, of every colour that text is written in, on the page and on cards.
CONTRASTS = """() => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
    const [r, g, b] = [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16) / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  for (const text of ["--ink", "--muted", "--good", "--warn", "--bad", "--link"]) {
    for (const ground of ["--paper", "--card"]) {
      const [dim, bright] = [light(text), light(ground)].sort((a, b) => a - b);
      found[text + " on " + ground] = (bright + 0.05) / (dim + 0.05);
    }
  }
  return found;
}"""
