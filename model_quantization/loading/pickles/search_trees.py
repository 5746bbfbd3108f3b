"""Search trees and their metrics: state that C code follows, checked before the code has it.

The same rules hold for model files (`migrations.deferred`) and for artifacts (`estimators.checks`).
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import numpy as np

from model_quantization.errors import SemanticError
from model_quantization.graph.values import fitting

_BOXES: Final = "sklearn.neighbors._kd_tree"
_BALLS: Final = "sklearn.neighbors._ball_tree"
_DISTANCES: Final = "sklearn.metrics._dist_metrics"


def check_native_state(name: str, state: Any) -> None:
    """Check the state of a search tree or a metric; other classes pass.

    Parameters
    ----------
    name : str
        `module:qualname` of the class.
    state : object
        As its `__setstate__` would take it.

    Raises
    ------
    SemanticError
        Its C code would read beside an array, or loop, or the state has another shape.
    """
    module = name.partition(":")[0]
    check = {_BOXES: check_box_tree, _BALLS: check_ball_tree, _DISTANCES: check_metric}.get(module)
    if check is not None and state is not None:
        with fitting(f"the state of {name} has another shape", name):
            check([], state, name)


def check_box_tree(args: list[Any], state: Any, path: str) -> None:
    """Refuse a k-d tree whose nodes leave its rows, or that has no metric."""
    _check_search_tree(state, path, sides=2)  # of each box: its lower and its upper corner


def check_ball_tree(args: list[Any], state: Any, path: str) -> None:
    """Refuse a ball tree whose nodes leave its rows, or that has no metric."""
    _check_search_tree(state, path, sides=1)  # of each ball: its centre


def _check_search_tree(state: Any, path: str, *, sides: int) -> None:
    data, indices, nodes, bounds = state[0], state[1], state[2], state[3]
    metric, weights = state[11], state[12]
    count = len(data)
    if "_dist_metrics" not in type(metric).__module__:
        refuse(path, "a search tree without a metric", type(metric).__name__)
    _check_metric_width(metric, data.shape[1], path)
    if weights is not None and weights.shape != (count,):
        refuse(path, "weights of a search tree do not fit its rows", str(weights.shape))
    if len(indices) != count or np.any(np.sort(indices) != np.arange(count)):
        refuse(path, "the indices of a search tree are not a permutation of its rows", "")
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    if np.any(starts < 0) or np.any(ends > count) or np.any(starts > ends):
        refuse(path, "a search tree node is out of range", f"{count} rows")
    if bounds.shape != (sides, len(nodes), data.shape[1]):
        refuse(path, "the bounds of a search tree do not fit its nodes", str(bounds.shape))
    leaf_size, n_levels, n_nodes = int(state[4]), int(state[5]), int(state[6])
    if leaf_size < 1 or n_nodes != len(nodes) or n_nodes != (1 << n_levels) - 1:
        refuse(path, "the size of a search tree does not fit its levels", str(n_nodes))
    # Inner nodes are visited as 2i + 1 and 2i + 2: only the last level may be leaves.
    inner = ~nodes["is_leaf"].astype(bool)
    if inner[n_nodes // 2 :].any():
        refuse(path, "a search tree node points outside the tree", "")


def _check_metric_width(metric: Any, width: int, path: str) -> None:
    """Refuse a metric whose own numbers are fewer than the columns it is asked about."""
    kind = type(metric).__name__.rstrip("0123456789")
    _, vector, matrix, *_ = metric.__getstate__()
    allowed = {"SEuclideanDistance": (width,), "MinkowskiDistance": (0, width)}.get(kind)
    if allowed is not None and len(vector) not in allowed:
        refuse(path, "a metric for another number of columns", str(len(vector)))
    if kind == "MahalanobisDistance" and matrix.shape != (width, width):
        refuse(path, "a metric for another number of columns", str(matrix.shape))


def check_metric(args: list[Any], state: Any, path: str) -> None:
    """Refuse a metric whose numbers are no arrays of its kind."""
    _, vector, matrix, *_ = state
    for array, rank in ((vector, 1), (matrix, 2)):
        if not isinstance(array, np.ndarray) or array.ndim != rank or array.dtype != np.float64:
            refuse(path, "the numbers of a metric are no array of float64", type(array).__name__)


def refuse(path: str, what: str, got: str) -> NoReturn:
    """Raise the error of a state that is not followed."""
    raise SemanticError(what, where=path or "model", got=got)
