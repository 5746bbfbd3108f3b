"""Prefect's pages in a browser, for the test of the form and for the pictures in docs/."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def why_no_browser() -> str:
    """Why pages cannot be looked at here; empty when they can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if chromium() else "there is no chromium (apt-get install chromium)"


def chromium() -> str | None:
    """The browser's path: `CHROMIUM`, or the system's own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def browser_page(*, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """An empty page that waits at most 30 seconds for anything; nothing it does leaves loopback."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(30_000)
            page.route(
                lambda url: not url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:")),
                lambda route: route.abort(),
            )
            yield page
        finally:
            browser.close()


def open_form(page: Page, url: str, deployment: UUID) -> None:
    """The run form of a deployment is on the page, filled with its defaults."""
    page.goto(f"{url}/v2/deployments/deployment/{deployment}/run")
    page.get_by_label("Configuration").wait_for()


def choose(page: Page, title: str, option: str) -> None:
    """The option is chosen in the list of the field."""
    page.get_by_label(title).click()
    page.get_by_role("option", name=option, exact=True).click()


def submit(page: Page) -> None:
    """The form is sent."""
    page.get_by_role("button", name="Submit").click()


def submit_until_taken(page: Page) -> None:
    """The form is sent and the server has made a run of it.

    After a refusal Prefect's form still holds the old complaint at the next try, so that it takes
    two.
    """
    from playwright.sync_api import TimeoutError as NothingSent

    for _ in range(3):
        try:
            with page.expect_response("**/create_flow_run", timeout=5_000) as sent:
                submit(page)
        except NothingSent:
            continue
        if sent.value.status == 201:
            return
    raise AssertionError("the form was not taken: " + page.inner_text("body")[-500:])


def open_run(page: Page, url: str, run: UUID, tab: str = "") -> None:
    """The page of a run, at one of its tabs."""
    page.goto(f"{url}/v2/runs/flow-run/{run}" + (f"?tab={tab}" if tab else ""))


def open_artifact(page: Page, url: str, artifact: UUID) -> None:
    """The page of a table artifact; its table is drawn."""
    page.goto(f"{url}/v2/artifacts/artifact/{artifact}")
    page.get_by_role("table").first.wait_for()


def save_picture(page: Page, path: Path) -> None:
    """What is to be seen of the page, as PNG."""
    page.screenshot(path=path, animations="disabled")
