"""Hooks of mkdocs: pages from outside docs/, and links that hold in the repository and on the site.

A page is written for both readers: those of the repository, where a link is a path, and those of
the site. So links are paths in the repository, and become links of the site here. A link to a file
that is no page (a source file, a directory) becomes its text alone, as the site knows no host of
the repository.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))  # mkdocs loads this file by its path

from site_build.notebooks import as_markdown  # noqa: E402

# Path in the repository -> path on the site.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "model_quantization/artifact/FORMAT.md": "format.md",
    **{
        f"examples/notebooks/{path.name}": f"notebooks/{path.stem}.md"
        for path in sorted((PROJECT / "examples" / "notebooks").glob("*.ipynb"))
    },
}
_ON_SITE = {place: source for source, place in ELSEWHERE.items()}
_FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def decisions() -> list[tuple[str, str]]:
    """Return the pages of docs/decisions in order, each with its title."""
    pages = sorted((PROJECT / "docs" / "decisions").glob("0*.md"))
    return [(path.name, path.read_text("utf-8").partition("\n")[0].lstrip("# ")) for path in pages]


def on_config(config: Any) -> Any:
    """Put every decision into the navigation."""
    for group in config["nav"]:
        for pages in group.values():
            for entry in pages:
                if isinstance(entry, dict) and "Decisions" in entry:
                    entry["Decisions"] += [f"decisions/{name}" for name, _ in decisions()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside docs/."""
    from mkdocs.structure.files import File

    for source, place in ELSEWHERE.items():
        path = PROJECT / source
        text = as_markdown(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files of the repository into links between pages."""
    place = page.file.src_uri
    if place == "decisions/index.md":
        markdown += "".join(f"\n- [{title}]({name})" for name, title in decisions()) + "\n"
    source = _ON_SITE.get(place, f"docs/{place}")
    # Fenced blocks are every second part.
    parts = _FENCE.split(markdown)
    parts[::2] = [
        _LINK.sub(lambda found: site_link(found, source, place), part) for part in parts[::2]
    ]
    return "".join(parts)


def site_link(found: re.Match[str], source: str, place: str) -> str:
    """Return a Markdown link of the file `source` as the page `place` has it.

    Parameters
    ----------
    found : re.Match
        The link, matched by `_LINK`.
    source, place : str
        The file in the repository, and the page on the site.
    """
    mark, text, link = found.groups()
    path, hash_, anchor = link.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return found[0]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    on_site = ELSEWHERE.get(target)
    if target == "docs/decisions":
        on_site = "decisions/index.md"
    elif on_site is None and target.startswith("docs/") and (PROJECT / target).is_file():
        on_site = target.removeprefix("docs/")
    if on_site is None:
        # Where there is no such file, mkdocs warns of the link, and the build fails.
        return text if (PROJECT / target).exists() else found[0]
    relative = posixpath.relpath(on_site, posixpath.dirname(place) or ".")
    return f"{mark}[{text}]({relative}{hash_}{anchor})"
