"""What a fitted model of neighbours holds: its measure of distance, rows, weights and targets."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import NotFast
from model_quantization.families.shared import rotated_rows
from model_quantization.kernels.distances.neighbours import MEASURES

_TREES: Final = ("kd_tree", "ball_tree")
_NAMES: Final = {
    "l2": "euclidean",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "sqeuclidean": "euclidean",
}
_POWERS: Final = (3, 4)


def usual_metric(component: Component) -> str | None:
    """Return the usual name of the measure of distance; None for a measure that is not known."""
    metric = component.get("effective_metric_")
    name = _NAMES.get(str(metric), str(metric))
    options = component.get("effective_metric_params_")
    if not isinstance(options, dict):
        options = {}
    if any(value is not None for key, value in options.items() if key != "p"):
        return None
    if name == "minkowski":
        return name if options.get("p") in _POWERS else None
    return name if name in MEASURES else None


def searched_rows(component: Component) -> Array | None:
    """Return the rows that are searched, (n_known, n_features); None where they are not usable.

    A tree searches rows of its own, which stay as they were.
    """
    method = component.get("_fit_method")
    rows: object = None
    if method == "brute":
        rows = component.get("_fit_X")
        if rows is None:
            rows = rotated_rows.turned_back(component.get)
    elif method in _TREES:
        tree = component.get("_tree")
        items = tree.items() if isinstance(tree, Component) else ()
        rows = items[0] if items else None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.char != "d":
        return None
    width = component.get("n_features_in_")
    fits = rows.size and rows.shape[1] == width and np.isfinite(rows).all()
    return rows if fits else None


def is_weighed(component: Component) -> bool | None:
    """Whether near rows count more; None where a function of the caller's own says how much."""
    weights = component.get("weights")
    return weights == "distance" if weights in ("uniform", "distance", None) else None


def labels_of(component: Component, n_known: int) -> Array | NotFast:
    """Return the class of each known row as a number, (n_known,); or why not."""
    classes, labels = component.get("classes_"), component.get("_y")
    if not isinstance(classes, np.ndarray) or not isinstance(labels, np.ndarray):
        return NotFast("it has several targets")
    if classes.ndim != 1 or labels.shape != (n_known,) or labels.dtype.kind != "i":
        return NotFast("its labels do not fit its rows")
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        return NotFast("a row has a class that is not known")
    return labels


def targets_of(component: Component, n_known: int) -> Array | NotFast:
    """Return the targets of each known row, (n_known,) or (n_known, n_targets); or why not."""
    targets = component.get("_y")
    if not isinstance(targets, np.ndarray) or targets.ndim not in (1, 2):
        return NotFast("its targets are no array")
    if len(targets) != n_known or targets.dtype.kind not in "iuf":
        return NotFast("its targets do not fit its rows")
    return targets
