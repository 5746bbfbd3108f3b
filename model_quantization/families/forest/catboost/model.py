"""CatBoost's binary model, read into pooled trees; `filling` writes the trees back.

The bytes are those of CatBoost's `catboost/libs/model`: a flatbuffer behind the word `CBM1`.
The trees are symmetric: all splits of one level are the same, and the answers to them are the bits
of the leaf's number, that of the root the highest. Rows are compared as float32, and go right
above a border.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import UnsupportedComponent
from model_quantization.families.forest.catboost.flatbuffer import FlatTable, Span
from model_quantization.families.forest.trees.reading import TreeOrder, pool_trees
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.symmetric import split_flags, split_levels
from model_quantization.values import Value

MARK = b"CBM1"
VERSION = "FlabuffersModel_v1"
BUCKET = 254  # borders of a feature that share one byte in CatBoost's memory
DEEPEST = 16
MOST_LEAVES = 1 << 24
_AS_TRUE = 2  # a missing value is above all borders

# Fields of the tables by number (`catboost/libs/model/flatbuffers/*.fbs`).
_VERSION, _TREES, _INFO, _PARTS = range(4)
(
    _DIMENSION, _SPLITS, DEPTHS, _OFFSETS, _CATEGORIES, _FLOATS, _ONE_HOT, _COUNTERS, _VALUES,
    _WEIGHTS, _STEPS, _STEP_LEAVES, _TEXTS, _ESTIMATED, _SCALE, _BIAS, _BIASES, _REPACKED,
    _EMBEDDINGS,
) = range(19)  # fmt: skip
_INDEX, _FLAT_INDEX, _BORDERS, _NAME, _NAN = range(1, 6)
# Fields that a model of trees over numbers lacks, and what they would be.
_NONE = {
    _CATEGORIES: "a feature has categories",
    _ONE_HOT: "a feature has categories",
    _COUNTERS: "a feature is a statistic of categories",
    _STEPS: "its trees are not symmetric",
    _TEXTS: "a feature is text",
    _ESTIMATED: "a feature is an estimate",
    _EMBEDDINGS: "a feature is an embedding",
}


class CatBoostModel(Value, frozen=True):
    """A model's bytes.

    Attributes
    ----------
    trees : PooledTrees
        A leaf row has one number per dimension.
    n_features : int
    scale : float
    bias : float64, shape (dimensions,)
        An answer is `scale * sum + bias`.
    info : dict of str to str
        Noted by CatBoost beside the trees.
    names : list of str
        Of the features; empty where they have none.
    """

    trees: PooledTrees
    n_features: int
    scale: float
    bias: Array
    info: dict[str, str]
    names: list[str]


class Bytes(Value, frozen=True):
    """Where a model's bytes say its trees."""

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
    def of(cls, data: bytes) -> Bytes:
        """The places of the parts in these bytes; `UnsupportedComponent` for other bytes."""
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
            trees.span(DEPTHS, "<i4"),
            trees.span(_OFFSETS, "<i4"),
            trees.span(_VALUES, "<f8"),
            trees.span(_WEIGHTS, "<f8"),
            trees.span(_REPACKED, "<u4"),
            [feature.span(_BORDERS, "<f4") for feature in features],
        )

    def filled(self) -> list[Span]:
        """The parts that follow from the trees alone; the rest is the skeleton."""
        return [self.splits, self.values, self.repacked, *self.borders]


def read_model(data: bytes) -> CatBoostModel:
    """The model of its bytes.

    Raises
    ------
    UnsupportedComponent
        It says what pooled trees cannot, or is not well-formed; the message has the reason.
    """
    layout = Bytes.of(data)
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
        trees.numbers(DEPTHS, "<i4").astype(np.int64),
        trees.numbers(_SPLITS, "<i4").astype(np.int64),
        trees.numbers(_VALUES, "<f8"),
        dimension,
        borders,
        np.array([feature.scalar(_NAN, "i1", 0) != _AS_TRUE for feature in features]),
    )
    repacked = trees.numbers(_REPACKED, "<u4")
    if repacked.size and not np.array_equal(
        repacked, repack(trees.numbers(_SPLITS, "<i4"), borders)
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


def borders_by_column(data: bytes) -> list[tuple[int, Array]]:
    """Return (column of a row, borders of its splits) of every numeric feature of a model's bytes.

    Raises
    ------
    UnsupportedComponent
        The bytes are not those of a model.
    """
    features = Bytes.of(data).trees.tables(_FLOATS)
    return [
        (int(feature.scalar(_FLAT_INDEX, "<i4", -1)), feature.numbers(_BORDERS, "<f4"))
        for feature in features
    ]


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
        _refuse("a split looks at a border that does not exist")
    feature = np.repeat(np.arange(len(borders)), counts)
    levels, starts = [], np.cumsum(depths) - depths
    for depth, start in zip(depths.tolist(), starts.tolist(), strict=True):
        levels.append(splits[start + depth - 1 - split_levels(depth)])
    chosen = np.concatenate(levels)
    threshold = np.concatenate([np.zeros(0, np.float32), *borders])[chosen]
    if np.isnan(threshold).any():
        _refuse("a border is not a number")
    pooled = pool_trees(
        TreeOrder(np.arange(0), 2 * leaves - 1, None),
        np.concatenate([split_flags(depth) for depth in depths.tolist()]),
        feature[chosen],
        threshold,
        missing_left[feature[chosen]],
        values.reshape(-1, dimension),
    )
    assert pooled is not None  # trees of full levels close
    return pooled


def repack(splits: Array, borders: list[Array]) -> Array:
    """The splits as CatBoost compares bytes: the bucket of a feature, and how many borders."""
    counts = np.array([len(each) for each in borders])
    buckets = -(-counts // BUCKET)
    feature = np.repeat(np.arange(len(borders)), counts)[splits]
    place = splits - (np.cumsum(counts) - counts)[feature]
    bucket = (np.cumsum(buckets) - buckets)[feature] + place // BUCKET
    return np.asarray(bucket | (place % BUCKET + 1) << 24, dtype=np.uint32)


def parse_info(info: dict[str, str], key: str) -> dict[str, Any]:
    """A note of CatBoost as a dict; empty for a model without it.

    Raises
    ------
    UnsupportedComponent
        The note is not JSON.
    """
    try:
        found = json.loads(info.get(key, "{}"))
    except (ValueError, RecursionError):
        _refuse(f"its {key} cannot be read")
    return found if isinstance(found, dict) else {}


def _refuse(why: str) -> NoReturn:
    raise UnsupportedComponent(why)
