"""A CatBoost model's bytes with their trees taken out, and put back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.quantization.errors import SemanticError, UnsupportedComponent
from ml.quantization.families.forest.catboost_model import (
    DEPTHS,
    Bytes,
    repack,
    split_flags,
    split_levels,
)
from ml.quantization.graph import Array
from ml.quantization.kernels.pooled import PooledTrees


def without_trees(data: bytes) -> bytes:
    """The same bytes with zeros where trees are said, and without the weights of leaves."""
    layout = Bytes.of(data)
    bare = bytearray(data)
    for span in [*layout.filled(), layout.weights]:
        bare[8 + span.start : 8 + span.stop] = bytes(span.stop - span.start)
    if layout.weights.count:
        bare[8 + layout.weights.start - 4 : 8 + layout.weights.start] = bytes(4)
    return bytes(bare)


def with_trees(skeleton: bytes, trees: PooledTrees, n_features: int) -> bytes:
    """The bytes of a skeleton with these trees.

    Raises
    ------
    SemanticError
        They are not the bytes of a model, or not the trees of one.
    """
    try:
        layout = Bytes.of(skeleton)
    except UnsupportedComponent as error:
        raise SemanticError("not the bytes of a CatBoost model", got=error.what) from None
    leaves = (trees.sizes.astype(np.int64) + 1) // 2
    depths = np.round(np.log2(leaves)).astype(np.int64)
    if not np.array_equal(depths, layout.trees.numbers(DEPTHS, "<i4")):
        raise SemanticError("not as many levels as the bytes have", where="booster_state")
    if not all(np.array_equal(split_flags(d), f == 1) for d, f in _by_tree(depths, trees)):
        raise SemanticError("a tree whose levels are not full", where="tree_splits")
    feature, threshold = _by_level(depths, trees)
    borders, places = _borders(feature, threshold, n_features)
    room = [span.count for span in layout.borders]
    if len(room) != n_features or any(len(b) > r for b, r in zip(borders, room, strict=True)):
        raise SemanticError("more borders than the bytes have room for", where="tree_thresholds")
    padded = [_padded(each, count) for each, count in zip(borders, room, strict=True)]
    splits = (np.cumsum(room) - room)[feature] + places
    values = trees.rows[trees.ids]
    contents = [splits.astype("<i4"), values.astype("<f8"), repack(splits, padded).astype("<u4")]
    contents += [each.astype("<f4") for each in padded]
    full = bytearray(skeleton)
    for span, content in zip(layout.filled(), contents, strict=True):
        if span.count == 0 and span is layout.repacked:
            continue
        if span.count != content.size:
            raise SemanticError("other numbers than the bytes have room for", where="booster_state")
        full[8 + span.start : 8 + span.stop] = content.tobytes()
    return bytes(full)


def _by_tree(depths: Array, trees: PooledTrees) -> Any:
    ends = np.cumsum(trees.sizes)[:-1]
    return zip(depths.tolist(), np.split(trees.split, ends), strict=True)


def _by_level(depths: Array, trees: PooledTrees) -> tuple[Array, Array]:
    """Feature and threshold of each level, the lowest first."""
    features, thresholds = [], []
    ends = np.cumsum(trees.sizes // 2)[:-1]
    parts = zip(
        depths.tolist(),
        np.split(trees.feature, ends),
        np.split(np.asarray(trees.threshold, dtype=np.float32), ends),
        strict=True,
    )
    for depth, feature, threshold in parts:
        # The first splits in preorder are those of the left spine: one of each level.
        level = split_levels(depth)
        if not (
            np.array_equal(feature[:depth][level], feature)
            and np.array_equal(threshold[:depth][level], threshold)
        ):
            raise SemanticError("splits of one level that differ", where="tree_features")
        features.append(feature[:depth][::-1])
        thresholds.append(threshold[:depth][::-1])
    return np.concatenate(features).astype(np.int64), np.concatenate(thresholds)


def _borders(feature: Array, threshold: Array, n_features: int) -> tuple[list[Array], Array]:
    """The sorted borders of each feature, and which of them each split compares with."""
    if feature.size and int(feature.max()) >= n_features:
        raise SemanticError("a feature that there is not", where="tree_features")
    borders, places = [], np.zeros(feature.size, dtype=np.int64)
    for number in range(n_features):
        mine = feature == number
        distinct, at = np.unique(threshold[mine], return_inverse=True)
        borders.append(distinct)
        places[mine] = at.reshape(-1)
    return borders, places


def _padded(borders: Array, count: int) -> Array:
    """Borders made as many as there is room for by larger ones, which no split compares with."""
    missing = count - len(borders)
    last = np.float32(borders[-1] if len(borders) else 0.0)
    steps = np.linspace(1.0, 2.0, missing + 1)[1:] if missing else np.zeros(0)
    with np.errstate(over="ignore"):
        more = (np.abs(last) + np.float32(1.0)) * steps.astype(np.float32)
    return np.concatenate([borders, np.minimum(more, np.finfo(np.float32).max)]).astype(np.float32)
