"""The site builds without a warning, without a network, and leads nowhere outside without a click."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from site_build.hooks import ELSEWHERE, decisions, site_link

PROJECT = Path(__file__).resolve().parents[2]


class Addresses(HTMLParser):
    """What a browser fetches for a page, links that a reader may follow, and names of places."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.names |= {values[key] for key in ("id", "name") if key in values}
        if tag in ("script", "img", "iframe", "source") and "src" in values:
            self.fetched.append(values["src"])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(values["href"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; the build has no network: any address would fail it."""
    folder = tmp_path_factory.mktemp("site")
    blocked = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, **blocked, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_readers_fetch_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in Addresses(page.read_text("utf-8")).fetched:
            assert "//" not in address, f"{page.name} fetches {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:", style.read_text("utf-8")), style.name


def test_every_link_of_the_site_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    pages = {path: Addresses(path.read_text("utf-8")) for path in site.rglob("*.html")}
    checked = 0
    for path, found in pages.items():
        if path.name == "404.html":
            continue
        for link in found.links:
            target, _, anchor = link.partition("#")
            if re.match(r"(https?|mailto):", link):
                continue
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), f"{path.name}: {link}"
            if anchor and there in pages and not anchor.startswith("__"):
                assert anchor in pages[there].names, f"{path.name}: {link}"
            checked += 1
    assert checked > 500


def test_the_reference_has_every_public_name_with_its_example(site: Path) -> None:
    import model_quantization as mq

    text = (site / "reference.html").read_text("utf-8")
    for name in set(mq.__all__) - {"__version__"}:
        assert re.search(rf'id="model_quantization\.[\w.]*\b{name}"', text), name
    assert text.count("&gt;&gt;&gt;") >= len(mq.__all__) - 1


def test_every_page_is_found_by_the_search(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    for page in site.rglob("*.html"):
        if page.name != "404.html":
            assert page.relative_to(site).as_posix() in found


def test_pages_from_outside_docs_and_notebooks_are_on_the_site(site: Path) -> None:
    for place in ELSEWHERE.values():
        assert (site / place).with_suffix(".html").is_file(), place
    index = (site / "decisions" / "index.html").read_text("utf-8")
    for name, _ in decisions():
        assert name.replace(".md", ".html") in index


@pytest.mark.parametrize(
    ("source", "place", "written", "on_site"),
    [
        ("README.md", "index.md", "[a](docs/proof.md#rows)", "[a](proof.md#rows)"),
        ("docs/how_to/x.md", "how_to/x.md", "[a](../../README.md)", "[a](../index.md)"),
        ("docs/text.md", "text.md", "![a](pictures/text.png)", "![a](pictures/text.png)"),
        ("SECURITY.md", "security.md", "[`a`](model_quantization/trust.py)", "`a`"),
        ("docs/proof.md", "proof.md", "[a](decisions)", "[a](decisions/index.md)"),
        ("docs/proof.md", "proof.md", "[a](no_such_file.md)", "[a](no_such_file.md)"),
        ("docs/proof.md", "proof.md", "[a](https://example.org)", "[a](https://example.org)"),
        ("docs/proof.md", "proof.md", "[a](#rows)", "[a](#rows)"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(
    source: str, place: str, written: str, on_site: str
) -> None:
    from site_build.hooks import _LINK

    assert _LINK.sub(lambda found: site_link(found, source, place), written) == on_site


def test_the_site_asks_for_no_fonts_and_no_analytics() -> None:
    settings = yaml.safe_load((PROJECT / "mkdocs.yml").read_text("utf-8"))
    assert settings["theme"]["font"] is False
    assert not {"extra", "repo_url", "site_url"} & set(settings)
