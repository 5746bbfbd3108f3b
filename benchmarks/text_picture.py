"""The picture of docs/text.md, from the figures of `benchmarks.text`.

    python -m benchmarks.text_picture

Reads benchmarks/results/text.json and writes docs/pictures/text.png.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FIGURES = Path("benchmarks/results/text.json")
PICTURE = Path("docs/pictures/text.png")
BEFORE, LOSSLESS, AFTER, INK = "#b8bcc4", "#7fb0d6", "#1f6fb2", "#30343b"


def draw(rows: list[dict[str, Any]]) -> plt.Figure:
    figure, (sizes, times) = plt.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    kinds = [
        ("pickle_kb", "pickle", BEFORE),
        ("lzma9_kb", "joblib lzma-9", "#8d929c"),
        ("exact_kb", "artifact, exact", LOSSLESS),
        ("int8_kb", "artifact, 8 bits", AFTER),
    ]
    bars(sizes, rows, kinds, lambda kb: f"{kb / 1024:.1f} MB" if kb >= 1024 else f"{kb:.0f} KB")
    sizes.set_title("File size", loc="left", color=INK, fontsize=11)
    kinds = [
        ("one_sklearn_us", "scikit-learn", BEFORE),
        ("one_us", "artifact, 8 bits", AFTER),
    ]
    bars(times, rows, kinds, lambda us: f"{us:.0f} \u00b5s")
    times.set_title("One message, predict_proba", loc="left", color=INK, fontsize=11)
    return figure


def bars(axes: Any, rows: list[dict[str, Any]], kinds: list[Any], say: Any) -> None:
    """A group of bars for each model, on a logarithmic scale, each with its figure beside it."""
    height = 0.8 / len(kinds)
    for index, (key, label, colour) in enumerate(kinds):
        places = [place + index * height for place in range(len(rows))]
        values = [row[key] for row in rows]
        axes.barh(places, values, height * 0.92, color=colour, label=label)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                say(value), (value, place), (3, 0), textcoords="offset points", va="center",
                fontsize=7, color=INK,
            )  # fmt: skip
    middle = 0.4 - height / 2
    axes.set_yticks([place + middle for place in range(len(rows))], [row["model"] for row in rows])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 2.5)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.set_xticks([])
    axes.minorticks_off()
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, fontsize=7, ncols=len(kinds), loc="upper left",
                bbox_to_anchor=(0, -0.01))  # fmt: skip


def main() -> None:
    rows = json.loads(FIGURES.read_text(encoding="utf-8"))
    figure = draw(rows)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130, metadata={"Software": None})
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
