"""The report page of 1,000 models: bytes, seconds to build, seconds to open in Chromium.

Run as ``python -m benchmarks.report_page [MODELS]``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from model_quantization.report.page.document import render_page
from tests.report.made import make_history, make_outcomes
from tests.report.test_browser import FLAGS

REPEATS = 5


def main(count: int = 1000) -> None:
    outcomes = make_outcomes(count)
    history = make_history(outcomes, 30)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        page = render_page(outcomes, history, release=30)
        seconds.append(time.perf_counter() - started)
    print(f"{count:,} models: {len(page.encode()) / 1e6:.2f} MB, built in {median(seconds):.2f} s "
          f"(the first time {seconds[0]:.2f} s)")  # fmt: skip
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("no Chromium on the path: opening is not measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(page, "utf-8")
        walls, works = _open(chromium, path.as_uri())
    print(f"opened in {median(walls):.2f} s (median of {REPEATS}), "
          f"{median(works):.2f} s of them work of the page's thread")  # fmt: skip


def _open(chromium: str, address: str) -> tuple[list[float], list[float]]:
    """(seconds until everything is loaded, processor seconds of the page's thread)."""
    from playwright.sync_api import sync_playwright

    walls, works = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(REPEATS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            started = time.perf_counter()
            page.goto(address)
            walls.append(time.perf_counter() - started)
            metrics = session.send("Performance.getMetrics")["metrics"]
            works.append(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))
            page.close()
        browser.close()
    return walls, works


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
