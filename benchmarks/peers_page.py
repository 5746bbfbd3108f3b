"""The section of the benchmarks page about other libraries (`benchmarks.page` writes the page)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HEADING = "Other libraries"
WORDS = (
    "`predict` of one row and of a batch in microseconds of the thread, by libraries that take a "
    "model. A1 to G1 are the models of the tables above, D a scaler and a network of 256 and 128 "
    "units, E 10,000 neighbours, F a support vector machine, B3 LightGBM's. The bound of one row "
    "is reading its numbers at a byte each, that of a row of a batch its multiplications as "
    "quickly as numpy multiplies large float32 matrices here: whole numbers of 16 bits may be "
    "below it. Agreement with scikit-learn's answers is a share of labels, or for numbers the "
    "largest difference as a share of their spread."
)


def table(
    found: dict[str, Any],
    markdown: Callable[[Any, Any], str],
    number: Callable[[Any], str],
) -> str:
    """Return a table for one row, one for a batch, and one of how far answers agree."""
    models = found["models"]
    sides = list(dict.fromkeys(side for each in models.values() for side in each["one_row_us"]))
    parts = {
        "one row us": lambda each: {**each["one_row_us"], "bound": each["bound"].get("one_row_us")},
        "batch us per row": lambda each: {
            **each["batch_us_per_row"],
            "bound": each["bound"].get("batch_us_per_row"),
        },
        "agreement": lambda each: each["agreement"],
    }
    tables = []
    for heading, values in parts.items():
        lines = [
            [side, *(number(values(each).get(side)) for each in models.values())]
            for side in (*sides, *(("bound",) if heading != "agreement" else ()))
        ]
        tables.append(markdown([heading, *models], lines))
    if found["missing"]:
        tables.append(f"Not installed there: {', '.join(found['missing'])}.\n")
    return "\n".join(tables)
