"""How the rows of histogram boosting become columns for the traversal: see `binning`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.kernels.trees import binning
from model_quantization.kernels.trees.feature_order import by_feature
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.tree_layout import Shape
from model_quantization.values import Value

CATEGORIES = 256


class Coding(Value, frozen=True):
    """How float64 rows become float32 columns: see `binning`.

    Attributes
    ----------
    columns, sizes, table, starts, pivots
        Numerical features that are looked at, how many thresholds each has, and these, sorted:
        `binning.pad_table`.
    category_columns, left, known, missing_left
        One entry per different categorical split.
    """

    columns: Array
    sizes: Array
    table: Array
    starts: Array
    pivots: Array
    category_columns: Array
    left: Array
    known: Array
    missing_left: Array

    @property
    def width(self) -> int:
        """Coded columns; at least one."""
        return max(1, len(self.columns) + len(self.category_columns))


class CategoryEncoder:
    """The columns as the model's own preprocessor arranges them: categories first, as codes."""

    def __init__(self, categorical: Array, categories: list[Array]) -> None:
        self.categorical = np.flatnonzero(categorical)
        self.numerical = np.flatnonzero(~categorical)
        self.categories = categories

    def encode(self, rows: Array) -> Array:
        """Float64 rows with codes for known categories and NaN for unknown and missing ones."""
        out = np.empty(rows.shape)
        for at, (column, known) in enumerate(zip(self.categorical, self.categories, strict=True)):
            values = rows[:, column].astype(np.float64)
            codes = np.searchsorted(known, values).clip(max=max(len(known) - 1, 0))
            seen = known[codes] == values if len(known) else np.zeros(len(rows), dtype=bool)
            out[:, at] = np.where(seen, codes, np.nan)
        out[:, len(self.categorical) :] = rows[:, self.numerical]
        return out


def is_undecided(component: Component) -> bool:
    """Whether the model has a preprocessor that `CategoryEncoder` cannot replace."""
    return component.get("_preprocessor") is not None and read_encoder(component) is None


def read_encoder(component: Component) -> CategoryEncoder | None:
    """The replacement of the model's preprocessor; None without one, or for other categories."""
    prepared = component.get("_preprocessor")
    flags = component.get("is_categorical_")
    if prepared is None or not isinstance(flags, np.ndarray):
        return None
    for step in prepared.get("transformers_", []):
        if step[0] == "encoder":
            categories = step[1].get("categories_")
            numbers = isinstance(categories, list) and all(
                isinstance(one, np.ndarray) and one.dtype.kind in "iuf" for one in categories
            )
            if not numbers or len(categories) != int(flags.sum()):
                return None
            known = [one.astype(np.float64) for one in categories]
            return CategoryEncoder(flags, [one[~np.isnan(one)] for one in known])
    return None


def known_categories(component: Component) -> dict[int, Array]:
    """Feature -> the categories that training saw."""
    mapper = component["_bin_mapper"]
    flags = np.asarray(mapper["is_categorical_"])
    edges = mapper["bin_thresholds_"]
    return {int(at): np.asarray(edges[at]) for at in np.flatnonzero(flags)}


def make_coding(trees: PooledTrees, known: Mapping[int, Array]) -> tuple[Coding, Shape]:
    """The coding of a model's rows, and its trees over the coded columns."""
    feature = trees.feature.astype(np.int64)
    categorical = (
        trees.categorical if trees.categorical is not None else np.zeros(feature.size, dtype=bool)
    )
    numeric = ~categorical
    seen_at = np.bincount(feature[numeric]) > 0
    columns = np.flatnonzero(seen_at)
    place = (np.cumsum(seen_at) - 1)[feature[numeric]]
    table, sizes, ranks = _tables(place, trees.threshold[numeric], len(columns))
    coded_feature = np.empty(feature.size, dtype=np.uint32)
    coded_threshold = np.full(feature.size, 0.5, dtype=np.float32)
    coded_feature[numeric] = place
    coded_threshold[numeric] = ranks
    key = np.zeros((int(categorical.sum()), 10), dtype=np.int64)
    if len(key) and trees.bitsets is not None:
        key[:, 0] = feature[categorical]
        key[:, 1] = trees.missing_left()[categorical]
        key[:, 2:] = trees.bitsets
    distinct, which = np.unique(key, axis=0, return_inverse=True)
    coded_feature[categorical] = len(columns) + which.reshape(-1)
    bits = np.ascontiguousarray(distinct[:, 2:].astype("<u4")).view(np.uint8)
    seen = np.zeros((len(distinct), CATEGORIES), dtype=np.uint8)
    for row, at in enumerate(distinct[:, 0].tolist()):
        seen[row, known[at].astype(np.int64)] = 1
    coding = Coding(
        columns,
        sizes,
        *binning.pad_table(table, sizes),
        np.ascontiguousarray(distinct[:, 0]),
        np.unpackbits(bits, axis=1, bitorder="little").reshape(-1, CATEGORIES),
        seen,
        distinct[:, 1].astype(np.uint8),
    )
    shape = Shape(
        trees.split,
        trees.sizes,
        trees.right,
        coded_feature,
        coded_threshold,
        # A categorical column never holds NaN: the coding decides where missing values go.
        lambda: trees.missing_left() & numeric,
    )
    return coding, shape


def _tables(place: Array, threshold: Array, count: int) -> tuple[Array, Array, Array]:
    """The sorted thresholds of all columns, how many each has, and each split's rank."""
    order = by_feature(place)
    ends = np.cumsum(np.bincount(place, minlength=count))
    ranks = np.empty(place.size, dtype=np.float32)
    tables = []
    # One sort per column is faster than one of all splits by column and threshold.
    for splits in np.split(order, ends[:-1]) if count else []:
        # -0.0 is 0.0: they compare alike.
        found, ranks[splits] = np.unique(threshold[splits] + 0.0, return_inverse=True)
        tables.append(found.astype(np.float64))
    sizes = np.array([len(found) for found in tables], dtype=np.int64)
    return np.concatenate(tables) if tables else np.empty(0), sizes, ranks
