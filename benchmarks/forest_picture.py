"""The picture in docs/forests.md: bytes a node of a forest, here and in the peers' formats.

    python -m benchmarks.forest_picture benchmarks/results/forest.json docs/pictures/forests.png

Only draws: the figures come from `python -m benchmarks.forest --json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

MINE, THEIRS = "#1f6f5c", "#b9bec4"
TITLES = {
    "A1": "random forest, digits",
    "A2": "random forest, 20,000 rows",
    "B1": "histogram boosting",
    "B2": "gradient boosting",
}


def bytes_a_node(found: dict[str, Any]) -> dict[str, float]:
    """Format -> bytes a node, largest first."""
    sizes = {key: size / found["nodes"] for key, size in found["bytes"].items()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def draw(figures: dict[str, Any], path: Path) -> None:
    """One panel a model; the axis is logarithmic."""
    models = [name for name in TITLES if name in figures]
    canvas, panels = plt.subplots(
        len(models), 1, figsize=(7.5, 2.1 * len(models)), sharex=True, squeeze=False
    )
    for panel, name in zip(panels[:, 0], models, strict=True):
        sizes = bytes_a_node(figures[name])
        colors = [MINE if key.startswith("qma") else THEIRS for key in sizes]
        bars = panel.barh(list(sizes), list(sizes.values()), color=colors)
        panel.bar_label(bars, [f" {size:.2f}" for size in sizes.values()], fontsize=8)
        panel.set_title(f"{name}: {TITLES[name]}, {figures[name]['nodes']:,} nodes", fontsize=9)
        panel.set_xscale("log")
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.margins(x=0.15)
    panels[-1, 0].set_xlabel("bytes a node", fontsize=8)
    canvas.tight_layout()
    canvas.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("picture", type=Path)
    asked = parser.parse_args()
    draw(json.loads(asked.figures.read_text()), asked.picture)


if __name__ == "__main__":
    main()
