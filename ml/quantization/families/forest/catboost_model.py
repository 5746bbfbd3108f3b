"""CatBoost's binary model: read into pooled trees, and filled with trees again.

What the bytes mean is CatBoost's `catboost/libs/model`: a flatbuffer behind the word `CBM1`. Its
trees are symmetric: all splits of one level are the same, and the answers to them are the bits of
the leaf's number, that of the root the highest. Rows are compared as float32, and go right above a
border.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import numpy as np

from ml.quantization.errors import SemanticError, UnsupportedComponent
from ml.quantization.families.forest.flatbuffer import FlatTable, Span
from ml.quantization.families.forest.reading import TreeOrder, pool_trees
from ml.quantization.graph import Array
from ml.quantization.kernels.pooled import PooledTrees

MARK = b"CBM1"
VERSION = "FlabuffersModel_v1"
BUCKET = 254  # borders of a feature that share one byte in CatBoost's memory
DEEPEST = 16
MOST_LEAVES = 1 << 24
_AS_TRUE = 2  # a missing value is above all borders

# Fields of the tables by number (`catboost/libs/model/flatbuffers/*.fbs`).
_VERSION, _TREES, _INFO, _PARTS = range(4)
(
    _DIMENSION, _SPLITS, _DEPTHS, _OFFSETS, _CATEGORIES, _FLOATS, _ONE_HOT, _COUNTERS, _VALUES,
    _WEIGHTS, _STEPS, _STEP_LEAVES, _TEXTS, _ESTIMATED, _SCALE, _BIAS, _BIASES, _REPACKED,
    _EMBEDDINGS,
) = range(19)  # fmt: skip
_INDEX, _FLAT_INDEX, _BORDERS, _NAME, _NAN = range(1, 6)
# What a model of trees over numbers has none of, and what it would be.
_NONE = {
    _CATEGORIES: "a feature has categories",
    _ONE_HOT: "a feature has categories",
    _COUNTERS: "a feature is a statistic of categories",
    _STEPS: "its trees are not symmetric",
    _TEXTS: "a feature is text",
    _ESTIMATED: "a feature is an estimate",
    _EMBEDDINGS: "a feature is an embedding",
}


@dataclass(frozen=True, slots=True)
class CatBoostModel:
    """A model's bytes.

    Attributes
    ----------
    trees : PooledTrees
        A leaf row has one number a dimension.
    n_features : int
    scale : float
    bias : float64, shape (dimensions,)
        An answer is `scale * sum + bias`.
    info : dict of str to str
        What CatBoost notes beside the trees.
    names : list of str
        Of the features; empty where they have none.
    """

    trees: PooledTrees
    n_features: int
    scale: float
    bias: Array
    info: dict[str, str]
    names: list[str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """The parts of a model's bytes that say its trees."""

    core: FlatTable
    trees: FlatTable
    dimension: int
    splits: Span
    depths: Span
    offsets: Span
    values: Span
    weights: Span
    repacked: Span
    borders: list[Span]

    @classmethod
    def of(cls, data: bytes) -> _Layout:
        if data[:4] != MARK or len(data) < 8:
            _refuse("its bytes are no model of CatBoost")
        size = struct.unpack("<I", data[4:8])[0]
        if size != len(data) - 8:
            _refuse("it has more than trees, or is cut off")
        core = FlatTable.root(data[8:])
        trees = core.table(_TREES)
        features = trees.tables(_FLOATS)
        return cls(
            core,
            trees,
            int(trees.scalar(_DIMENSION, "<i4", 1)),
            trees.span(_SPLITS, "<i4"),
            trees.span(_DEPTHS, "<i4"),
            trees.span(_OFFSETS, "<i4"),
            trees.span(_VALUES, "<f8"),
            trees.span(_WEIGHTS, "<f8"),
            trees.span(_REPACKED, "<u4"),
            [feature.span(_BORDERS, "<f4") for feature in features],
        )

    def filled(self) -> list[Span]:
        """What the trees alone decide; the rest is the skeleton."""
        return [self.splits, self.values, self.repacked, *self.borders]


def read_model(data: bytes) -> CatBoostModel:
    """The model of its bytes.

    Raises
    ------
    UnsupportedComponent
        It says what pooled trees cannot, or is not well-formed; the message has the reason.
    """
    layout = _Layout.of(data)
    core, trees = layout.core, layout.trees
    if core.text(_VERSION) != VERSION:
        _refuse("its bytes are of another version")
    for number, why in _NONE.items():
        if trees.span(number, "u1").count:
            _refuse(why)
    if core.tables(_PARTS):
        _refuse("it has more than trees, or is cut off")
    features = trees.tables(_FLOATS)
    n_features, dimension = len(features), layout.dimension
    flat = [feature.scalar(_FLAT_INDEX, "<i4", -1) for feature in features]
    index = [feature.scalar(_INDEX, "<i4", -1) for feature in features]
    if not n_features or flat != list(range(n_features)) or index != flat:
        _refuse("its features are not the columns in their order")
    if not 1 <= dimension <= MOST_LEAVES:
        _refuse("it has no outputs")
    borders = [feature.numbers(_BORDERS, "<f4") for feature in features]
    pooled = _pool(
        trees.numbers(_DEPTHS, "<i4").astype(np.int64),
        trees.numbers(_SPLITS, "<i4").astype(np.int64),
        trees.numbers(_VALUES, "<f8"),
        dimension,
        borders,
        np.array([feature.scalar(_NAN, "i1", 0) != _AS_TRUE for feature in features]),
    )
    repacked = trees.numbers(_REPACKED, "<u4")
    if repacked.size and not np.array_equal(
        repacked, _repack(trees.numbers(_SPLITS, "<i4"), borders)
    ):
        _refuse("its splits are said in two ways that differ")
    bias = trees.numbers(_BIASES, "<f8")
    if not bias.size:
        bias = np.array([trees.scalar(_BIAS, "<f8", 0.0)])
    if bias.size != dimension:
        _refuse("its bias has other outputs than its leaves")
    names = [feature.text(_NAME) for feature in features]
    return CatBoostModel(
        pooled,
        n_features,
        float(trees.scalar(_SCALE, "<f8", 1.0)),
        np.array(bias),
        {pair.text(0): pair.text(1) for pair in core.tables(_INFO)},
        names if any(names) else [],
    )


def _pool(
    depths: Array,
    splits: Array,
    values: Array,
    dimension: int,
    borders: list[Array],
    missing_left: Array,
) -> PooledTrees:
    if not depths.size or (depths < 0).any() or (depths > DEEPEST).any():
        _refuse("its trees are too deep, or there are none")
    leaves = 1 << depths
    if int(leaves.sum()) > MOST_LEAVES:
        _refuse("its trees have too many leaves")
    if depths.sum() != splits.size or leaves.sum() * dimension != values.size:
        _refuse("its splits or leaves are not as many as its trees need")
    counts = np.array([len(each) for each in borders])
    if splits.size and not (splits.min() >= 0 and splits.max() < counts.sum()):
        _refuse("a split looks at a border that there is not")
    feature = np.repeat(np.arange(len(borders)), counts)
    levels, starts = [], np.cumsum(depths) - depths
    for depth, start in zip(depths.tolist(), starts.tolist(), strict=True):
        levels.append(splits[start + depth - 1 - _levels(depth)])
    chosen = np.concatenate(levels)
    threshold = np.concatenate([np.zeros(0, np.float32), *borders])[chosen]
    if np.isnan(threshold).any():
        _refuse("a border is not a number")
    pooled = pool_trees(
        TreeOrder(np.arange(0), 2 * leaves - 1, None),
        np.concatenate([_flags(depth) for depth in depths.tolist()]),
        feature[chosen],
        threshold,
        missing_left[feature[chosen]],
        values.reshape(-1, dimension),
    )
    assert pooled is not None  # trees of full levels close
    return pooled


@cache
def _flags(depth: int) -> Array:
    """Which nodes of a full tree are splits, in preorder."""
    if depth == 0:
        return np.array([False])
    below = _flags(depth - 1)
    return np.concatenate([[True], below, below])


@cache
def _levels(depth: int) -> Array:
    """The level of each split of a full tree, in preorder."""
    if depth == 0:
        return np.zeros(0, dtype=np.int64)
    below = _levels(depth - 1) + 1
    return np.concatenate([[0], below, below])


def _repack(splits: Array, borders: list[Array]) -> Array:
    """The splits as CatBoost compares bytes: the bucket of a feature, and how many borders."""
    counts = np.array([len(each) for each in borders])
    buckets = -(-counts // BUCKET)
    feature = np.repeat(np.arange(len(borders)), counts)[splits]
    place = splits - (np.cumsum(counts) - counts)[feature]
    bucket = (np.cumsum(buckets) - buckets)[feature] + place // BUCKET
    return np.asarray(bucket | (place % BUCKET + 1) << 24, dtype=np.uint32)


def without_trees(data: bytes) -> bytes:
    """The same bytes with zeros where trees are said, and without the weights of leaves."""
    layout = _Layout.of(data)
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
        layout = _Layout.of(skeleton)
    except UnsupportedComponent as error:
        raise SemanticError("not the bytes of a CatBoost model", got=error.what) from None
    leaves = (trees.sizes.astype(np.int64) + 1) // 2
    depths = np.round(np.log2(leaves)).astype(np.int64)
    if not np.array_equal(depths, layout.trees.numbers(_DEPTHS, "<i4")):
        raise SemanticError("not as many levels as the bytes have", where="booster_state")
    if not all(np.array_equal(_flags(d), f == 1) for d, f in _by_tree(depths, trees)):
        raise SemanticError("a tree whose levels are not full", where="tree_splits")
    feature, threshold = _by_level(depths, trees)
    borders, places = _borders(feature, threshold, n_features)
    room = [span.count for span in layout.borders]
    if len(room) != n_features or any(len(b) > r for b, r in zip(borders, room, strict=True)):
        raise SemanticError("more borders than the bytes have room for", where="tree_thresholds")
    padded = [_padded(each, count) for each, count in zip(borders, room, strict=True)]
    splits = (np.cumsum(room) - room)[feature] + places
    values = trees.rows[trees.ids]
    contents = [splits.astype("<i4"), values.astype("<f8"), _repack(splits, padded).astype("<u4")]
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
        level = _levels(depth)
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


def parse_info(info: dict[str, str], key: str) -> dict[str, Any]:
    """A note of CatBoost as a dict; empty where there is none."""
    try:
        found = json.loads(info.get(key, "{}"))
    except (ValueError, RecursionError):
        _refuse(f"its {key} cannot be read")
    return found if isinstance(found, dict) else {}


def _refuse(why: str) -> NoReturn:
    raise UnsupportedComponent(why)
