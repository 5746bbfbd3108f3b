"""Neighbours, support vectors and networks: attributes that later code reads."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.loading.pickles.migrations.steps import State, Step

_DISTANCES: Final = (
    ("metric", "metric_params"),
    ("effective_metric_", "effective_metric_params_"),
)


def _probability(state: State) -> None:
    state.setdefault("_effective_probability", state.get("probability", False))


def _plain_probability(state: State) -> None:
    state["probability"] = state.pop("_effective_probability", False)


def _private_platt(state: State) -> None:
    for name in ("probA_", "probB_", "n_support_"):
        if name in state:
            state.setdefault(f"_{name.rstrip('_')}", state.pop(name))


def _weighted_powers(state: State) -> None:
    """The distance `wminkowski`, gone with scipy 1.8, multiplied before taking the power."""
    for name, parameters in _DISTANCES:
        given = state.get(parameters)
        if state.get(name) == "wminkowski" and given:
            power = given.get("p", state.get("p", 2))
            weights = np.asarray(given["w"]) ** power
            state[name], state[parameters] = "minkowski", {**given, "w": weights}


def _known_covariance(state: State) -> None:
    """Before 0.24 brute force worked with the covariance of the rows asked and fitted together."""
    if state.get("effective_metric_") == "mahalanobis" and state.get("_fit_method") == "brute":
        given = state.get("effective_metric_params_") or {}
        if "VI" not in given:
            raise ValueError(
                "its mahalanobis distances hang on which rows are asked together, as they did "
                "before scikit-learn 0.24; fit it again with metric_params={'VI': ...}"
            )


def _bandwidth(state: State) -> None:
    if "tree_" in state:
        state.setdefault("bandwidth_", state["bandwidth"])


def _centroids(state: State) -> str | None:
    return "NearestOfCentroids" if "centroids_" in state else None


STEPS: Final = (
    Step(
        ("sklearn.svm._base:BaseLibSVM",),
        "0.23",
        "0.23: probA_, probB_ and n_support_ are properties of private attributes",
        _private_platt,
    ),
    Step(
        ("sklearn.neighbors._base:NeighborsBase",),
        "0.24",
        "0.24: mahalanobis takes VI or V, and no longer the covariance of all rows at hand",
        _known_covariance,
    ),
    Step(
        ("sklearn.neighbors._base:NeighborsBase",),
        "1.3",
        "1.3: wminkowski is removed for minkowski with w, whose weights are those to the power p",
        _weighted_powers,
    ),
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
