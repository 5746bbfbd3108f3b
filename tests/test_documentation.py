"""What the documentation shows is true: its examples run, its lists are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model_quantization import errors
from model_quantization.outcome import Guarantee, Status
from model_quantization.report.summary import COLUMNS
from model_quantization.serving.named_loaders import ModelLoader

PROJECT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path for path in [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")] if path.is_file()
)


def text_of(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def first_column(page: str, heading: str) -> list[str]:
    """The words in the first cells of the table whose header begins with `heading`."""
    _, _, rest = f"\n{text_of(page)}".partition(f"\n| {heading} |")
    rows = re.match(r"[^\n]*\n\|[-|:]+\|\n((?:\|[^\n]*\n)+)", rest)
    assert rows is not None, heading
    return [
        word
        for line in rows[1].splitlines()
        for word in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(
        r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")
    ):
        if target.startswith("http"):
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, by GitHub and by the site alike."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in headings
    }


def test_every_column_and_verdict_is_explained() -> None:
    assert set(first_column("docs/results.md", "column")) == set(COLUMNS) - {"note"}
    explained = first_column("docs/results.md", "verdict")
    published = {str(item) for item in Guarantee}
    assert set(explained) == (published | {str(item) for item in Status}) - {"published"}


def test_the_loaders_page_explains_every_reason_code() -> None:
    explained = set(first_column("docs/loaders.md", "reason code"))
    artifact_errors = {
        cls.code
        for cls in errors.ArtifactError.__subclasses__()
        if cls is not errors.SignatureError
    }
    own = {"not_released", "unreadable_release", "stale", "missing", "failing", "shadow"}
    own |= {"no_gain", "fallback"}
    assert explained == artifact_errors | own | {"limit", "prediction", "path_refused"}


def test_the_loaders_page_explains_the_status(tmp_path: Path) -> None:
    explained = set(first_column("docs/loaders.md", "key"))
    shown = set(ModelLoader("absent", tmp_path).status())
    assert explained - {"quantized", "original"} >= shown


def test_the_readme_names_only_targets_that_exist() -> None:
    named = set(
        re.findall(r"\bmake ([a-z-]+)\b", text_of("README.md") + text_of("CONTRIBUTING.md"))
    )
    made = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    assert {"demo", "test", "lint", "bench", "constraints"} <= named
    assert named <= made


def test_constraints_are_exact_versions_and_cover_what_is_depended_on() -> None:
    import tomllib

    lines = [line for line in text_of("constraints.txt").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=\[ ;]", item)[0].lower().replace("_", "-") for item in wanted}
    assert names - {project["name"]} <= pinned  # its own extras are its own


PACKAGES = (
    "model_quantization",
    "flows",
    "tasks",
    "fuzz",
    "kernel_build",
    "benchmarks",
    "examples",
    "site_build",
)
SOURCES = sorted(path for name in PACKAGES for path in (PROJECT / name).rglob("*.py"))
FORMAT_PAGE = PROJECT / "model_quantization" / "artifact" / "FORMAT.md"


def test_files_that_pages_and_docstrings_name_exist() -> None:
    tests = (PROJECT / "tests").rglob("*.py")
    roots = PROJECT.glob("*.py")
    known = [f"/{path.relative_to(PROJECT).as_posix()}" for path in [*SOURCES, *tests, *roots]]
    missing = {
        f"{path.relative_to(PROJECT)}: {name}"
        for path in [*PAGES, FORMAT_PAGE, *SOURCES]
        if path.name != "CHANGELOG.md"  # it names files of its time
        for name in re.findall(r"`([\w/]+\.py)`", path.read_text(encoding="utf-8"))
        if f'title="{name}"' not in path.read_text(encoding="utf-8")  # the page writes it
        if not any(file.endswith(f"/{name}") for file in known)
    }
    assert not missing


def test_the_page_of_the_architecture_names_every_room() -> None:
    library = PROJECT / "model_quantization"
    rooms = {path.parent.name for path in library.glob("*/__init__.py")}
    rooms |= {path.stem for path in library.glob("*.py")} - {"__init__", "__main__"}
    _, _, section = text_of("docs/architecture.md").partition("## The rooms")
    named = set(re.findall(r"`(\w+)/?`", section.partition("\n## ")[0]))
    assert rooms <= named, rooms - named
