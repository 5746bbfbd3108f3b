"""Which figures pages quote, and whether a results file holds them.

A *figure* is a number with a unit of time (ns, us, ms, s), of size (KB, MB, GB) or a ratio (`12x`,
`12 times as fast`) in README.md or a page of docs/. Not looked at are: code, tables that are
written from results files, `docs/benchmarks.md`, which is one of them, and decisions, which tell
what was measured on the day they were made. Words for settings ("90 seconds") are no figures.

`benchmarks/results/quoted.json` lists the figures of each page with their source. A source is

- a file of benchmarks/results: it must hold the figure, or two values of one record of which it
  is the ratio;
- `measured by hand, DAY`: no results file was kept, and the page is as old as that day;
- `not measured`: a limit, a setting, or a size of something that is given.

    python -m benchmarks.quoted

lists what pages quote and the list does not have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

from benchmarks.kept import RESULTS

PROJECT = Path(__file__).resolve().parent.parent
QUOTED = RESULTS / "quoted.json"
NOT_MEASURED = "not measured"
BY_HAND = re.compile(r"measured by hand, \d{4}-\d{2}-\d{2}")
_FIGURE = re.compile(
    r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?)(?: ?(ns|us|µs|ms|KB|MB|GB)\b| (s)\b|(x)(?!\w)"
    r"| (times) (?:as|faster|smaller|slower|quicker)\b)"
)
_UNSEEN = (
    re.compile(r"<!-- figures: (?!end).*?<!-- figures: end -->", re.DOTALL),
    re.compile(r"^```.*?^```[^\n]*$", re.DOTALL | re.MULTILINE),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"`[^`\n]*`"),
)
# What a key of a results file says of its value, in microseconds or bytes. Sizes are written by
# 1,000 and by 1,024.
_UNITS = {
    "ns": ("time", 1e-3),
    "us": ("time", 1.0),
    "ms": ("time", 1e3),
    "seconds": ("time", 1e6),
    "bytes": ("size", 1.0),
    "kb": ("size", 1024.0),
    "mb": ("size", 1e6),
}
_QUOTED_IN = {
    "ns": ("time", (1e-3,)),
    "us": ("time", (1.0,)),
    "µs": ("time", (1.0,)),
    "ms": ("time", (1e3,)),
    "s": ("time", (1e6,)),
    "KB": ("size", (1e3, 1024.0)),
    "MB": ("size", (1e6, 1024.0**2)),
    "GB": ("size", (1e9, 1024.0**3)),
}


def pages() -> list[Path]:
    """Return the pages whose figures are looked at."""
    found = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    left_out = PROJECT / "docs" / "benchmarks.md"
    decisions = PROJECT / "docs" / "decisions"
    return [path for path in found if path != left_out and decisions not in path.parents]


def figures_in(text: str) -> list[str]:
    """Return the figures that a page quotes, each once, in order.

    Examples
    --------
    >>> figures_in("It takes 26.9 MB and is 12x smaller; `3 ms` is code, 90 seconds a setting.")
    ['26.9 MB', '12x']
    """
    for pattern in _UNSEEN:
        text = pattern.sub(" ", text)
    found = (" ".join((n, *filter(None, units))) for n, *units in _FIGURE.findall(text))
    return list(dict.fromkeys(figure.replace(" x", "x") for figure in found))


def holds(values: Any, figure: str) -> bool:
    """Return whether a results file holds a figure: rounded, in another unit, or as a ratio.

    Examples
    --------
    >>> holds({"a": {"bytes": 26_912_345, "pickle": 53_000_000}}, "26.9 MB")
    True
    >>> holds({"a": {"bytes": 26_912_345, "pickle": 53_000_000}}, "2.0x")
    True
    >>> holds({"a": {"bytes": 26_912_345, "pickle": 53_000_000}}, "2.7 MB")
    False
    """
    number, unit = figure.rstrip("x"), "x"
    if not figure.endswith("x"):
        number, unit = figure.split(" ")
    quoted = float(number.replace(",", ""))
    # Half of the last digit, and a little for what was rounded before.
    allowed = 0.51 * 10.0 ** -len(number.partition(".")[2])
    if unit not in _QUOTED_IN:
        return any(
            kind == other and second and abs(first / second - quoted) <= allowed
            for record in _records(values)
            for (kind, first), (other, second) in permutations(record, 2)
        )
    wanted, sizes = _QUOTED_IN[unit]
    return any(
        kind == wanted and abs(value / size - quoted) <= allowed
        for record in _records(values)
        for kind, value in record
        for size in sizes
    )


def _records(values: Any) -> Iterator[list[tuple[str, float]]]:
    """The quantities of each record: of a model where there are several, else of the whole file."""
    parts = values if isinstance(values, list) else list(values.values())
    if not all(isinstance(part, dict) for part in parts):
        parts = [values]
    for part in parts:
        yield list(_quantities(part, ""))


def _quantities(value: Any, unit: str) -> Iterable[tuple[str, float]]:
    """Times in microseconds and sizes in bytes, by the units that keys name."""
    if isinstance(value, dict):
        for key, item in value.items():
            named = [word for word in re.split(r"[_ ,]", str(key)) if word in _UNITS]
            yield from _quantities(item, named[0] if named else unit)
    elif isinstance(value, list):
        for item in value:
            yield from _quantities(item, unit)
    elif unit and isinstance(value, int | float) and not isinstance(value, bool):
        kind, size = _UNITS[unit]
        yield kind, value * size


def unlisted() -> list[str]:
    """Return what pages quote and the list does not have, `page: figure`."""
    listed = json.loads(QUOTED.read_text("utf-8"))
    found = []
    for path in pages():
        name = path.relative_to(PROJECT).as_posix()
        known = {figure for entry in listed.get(name, ()) for figure in entry["figures"]}
        text = path.read_text("utf-8")
        found += [f"{name}: {figure}" for figure in figures_in(text) if figure not in known]
    return found


if __name__ == "__main__":
    print("\n".join(unlisted()) or "every figure is listed")
