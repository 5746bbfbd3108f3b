"""Clustering models: centres and the training rows they keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.steps import all_finite, gives_frames
from model_quantization.kernels.linear.nearest import NearestCentre, distances_to
from model_quantization.kernels.linear.splits import Split, nearest_leaf
from model_quantization.schemes.scheme import Role, Slot

_MODULE = "sklearn.cluster."
_BIRCH = f"{_MODULE}_birch:Birch"
_BISECTING = f"{_MODULE}_bisect_k_means:BisectingKMeans"
_AVERAGED = frozenset({f"{_MODULE}_kmeans:KMeans", f"{_MODULE}_kmeans:MiniBatchKMeans"})
_CENTRES = ("cluster_centers_", "subcluster_centers_")
_DEEPEST = 400


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Labels of the nearest centre, and distances bit for bit as scikit-learn's."""
    name = "subcluster_centers_" if component.type == _BIRCH else "cluster_centers_"
    centres = component.get(name)
    if not isinstance(centres, np.ndarray) or centres.ndim != 2 or not centres.size:
        return NotFast("it has no centres, or they are no matrix")
    if centres.dtype.char != "d" or not np.isfinite(centres).all():
        return NotFast("its centres are no float64")
    label = _labels(component, centres)
    if isinstance(label, NotFast):
        return label
    doubles = component.type in _AVERAGED or component.type == _BISECTING
    doubles = component.type in _AVERAGED or component.type == _BISECTING
    methods: dict[str, Method] = {"predict": _predict(label, doubles)}
    if doubles or component.type == _BIRCH:
        if gives_frames(component):
            return NotFast("it gives frames")
        methods["transform"] = _transform(distances_to(centres), doubles)
    return Lowered(
        methods,
        by=f"the nearest of {len(centres)} centres",
        names=(component.path,),
        n_features=centres.shape[1],
        n_columns=len(centres),
    )


def _predict(label: Callable[[Array], Array | None], doubles: bool) -> Method:
    """Labels of finite rows; only of float64 where scikit-learn refuses other types."""

    def predict(rows: Array) -> Array | None:
        return label(rows) if rows.dtype.char == "d" or not doubles else None

    return predict


def _transform(distances: Callable[[Array], Array], contiguous: bool) -> Method:
    """Distances of finite rows, in the order in memory that scikit-learn gives them."""

    def transform(rows: Array) -> Array | None:
        if not all_finite(rows):
            return None
        return distances(np.ascontiguousarray(rows) if contiguous else rows)

    return transform


def _labels(component: Component, centres: Array) -> Callable[[Array], Array | None] | NotFast:
    """A function of rows to the label of the nearest centre of each, None where that is unclear."""
    if component.type == _BISECTING:
        return _tree_labels(component, centres)
    nearest = NearestCentre.of(centres)
    if component.type == _BIRCH:
        labels, squares = component.get("subcluster_labels_"), component.get("_subcluster_norms")
        for each in (labels, squares):
            if not isinstance(each, np.ndarray) or each.shape != (len(centres),):
                return NotFast("the labels of its centres, or their squares, are no array")
        # scikit-learn uses the squares that it has stored, even if the centres were rounded since.
        nearest = NearestCentre.of(centres, -nearest.bias - squares)
    elif component.type in _AVERAGED:
        labels = np.arange(len(centres), dtype=np.int32)
    else:
        labels = np.arange(len(centres), dtype=np.intp)

    def label(rows: Array) -> Array | None:
        found = nearest.winners(rows)
        return None if found is None else np.asarray(labels[found])

    return label


def _tree_labels(component: Component, centres: Array) -> Callable[[Array], Array | None] | NotFast:
    """Two centres are compared at a time, from the root of a tree down."""
    middle = component.get("_X_mean", 0.0)
    splits: list[Split] = []

    def walk(node: Component, depth: int) -> int | None:
        """The number of a split, or one below zero for a leaf; None: no tree of this kind."""
        left, right = node.get("left"), node.get("right")
        if left is None:
            label = node.get("label")
            fits = type(label) is int and 0 <= label < len(centres)
            return -1 - label if fits else None
        sides = (left, right)
        if depth == _DEEPEST or not all(isinstance(one, Component) for one in sides):
            return None
        both = [one.get("center") for one in sides]
        if any(not isinstance(c, np.ndarray) or c.shape != centres.shape[1:] for c in both):
            return None
        place = len(splits)
        splits.append(Split(np.vstack(both) + middle, 0, 0))
        below = [walk(one, depth + 1) for one in sides]
        if below[0] is None or below[1] is None:
            return None
        splits[place] = Split(splits[place].centres, below[0], below[1])
        return place

    root = component.get("_bisecting_tree")
    start = walk(root, 0) if isinstance(root, Component) else None
    if start is None:
        return NotFast("it has no tree of clusters that can be read")
    return nearest_leaf(splits, start)


def examples() -> Iterable[Example]:
    """Centres found by averaging, by a tree, and among the rows themselves."""
    from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, KMeans
    from sklearn.datasets import make_blobs

    rows, _ = make_blobs(120, 24, centers=6, random_state=0)
    yield Example("means", KMeans(6, random_state=0, n_init=1).fit(rows), rows)
    yield Example("halves", BisectingKMeans(6, random_state=0).fit(rows), rows)
    yield Example("tree", Birch(n_clusters=6).fit(rows), rows)
    yield Example("exemplars", AffinityPropagation(damping=0.9, random_state=0).fit(rows), rows)


FAMILY = Family(
    name="cluster",
    types=frozenset(
        {
            _BIRCH,
            _BISECTING,
            f"{_MODULE}_mean_shift:MeanShift",
            f"{_MODULE}_affinity_propagation:AffinityPropagation",
        }
    )
    | _AVERAGED,
    slots=slots_for(_CENTRES, Slot(Role.CENTER, channel_axis=1)),
    dropped={
        "root_": "the tree that training grows; prediction uses the subcluster centres",
        "dummy_leaf_": "a link into the tree that training grows",
        "affinity_matrix_": "similarities of the training rows; prediction uses the exemplars",
    },
    lower=lower,
    examples=examples,
)
