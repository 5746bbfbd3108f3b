"""A CatBoost model's bytes with their trees taken out, and put back."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError, UnsupportedComponent
from model_quantization.families.forest.catboost.model import DEPTHS, Bytes, repack
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.symmetric import levels_of


def without_trees(data: bytes) -> bytes:
    """The same bytes with zeros in the place of trees, and without the weights of leaves."""
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
    levels = levels_of(trees)
    if levels is None:
        raise SemanticError("trees that are not symmetric", where="tree_splits")
    if not np.array_equal(levels.depths, layout.trees.numbers(DEPTHS, "<i4")):
        raise SemanticError("not as many levels as the bytes have", where="booster_state")
    feature = levels.features
    borders, places = _borders(feature, levels.thresholds, n_features)
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


def _borders(feature: Array, threshold: Array, n_features: int) -> tuple[list[Array], Array]:
    """The sorted borders of each feature, and which of them each split compares with."""
    if feature.size and int(feature.max()) >= n_features:
        raise SemanticError("a feature that does not exist", where="tree_features")
    borders, places = [], np.zeros(feature.size, dtype=np.int64)
    for number in range(n_features):
        mine = feature == number
        distinct, at = np.unique(threshold[mine], return_inverse=True)
        borders.append(distinct)
        places[mine] = at.reshape(-1)
    return borders, places


def _padded(borders: Array, count: int) -> Array:
    """Borders, followed by larger ones that fill the room and that no split compares with."""
    missing = count - len(borders)
    last = np.float32(borders[-1] if len(borders) else 0.0)
    steps = np.linspace(1.0, 2.0, missing + 1)[1:] if missing else np.zeros(0)
    with np.errstate(over="ignore"):
        more = (np.abs(last) + np.float32(1.0)) * steps.astype(np.float32)
    return np.concatenate([borders, np.minimum(more, np.finfo(np.float32).max)]).astype(np.float32)
