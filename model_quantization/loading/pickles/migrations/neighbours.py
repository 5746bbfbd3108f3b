"""Neighbours, support vectors and networks: attributes that later code reads."""

from __future__ import annotations

from typing import Final

from model_quantization.loading.pickles.migrations.steps import State, Step


def _probability(state: State) -> None:
    state.setdefault("_effective_probability", state.get("probability", False))


def _plain_probability(state: State) -> None:
    state["probability"] = state.pop("_effective_probability", False)


def _bandwidth(state: State) -> None:
    if "tree_" in state:
        state.setdefault("bandwidth_", state["bandwidth"])


def _centroids(state: State) -> str | None:
    return "NearestOfCentroids" if "centroids_" in state else None


STEPS: Final = (
    Step(
        ("sklearn.svm._base:BaseLibSVM",),
        "1.9",
        "1.9: probability is deprecated, and read by another name",
        _probability,
        _plain_probability,
    ),
    Step(
        ("sklearn.neighbors._kde:KernelDensity",),
        "1.2",
        "1.2: bandwidth may be a rule, so that its value has a name of its own",
        _bandwidth,
    ),
    Step(
        ("sklearn.neighbors._nearest_centroid:NearestCentroid",),
        "1.6",
        "1.6: NearestCentroid weighs classes by priors and has probabilities",
        becomes=_centroids,
    ),
)
