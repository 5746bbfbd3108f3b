"""The parts of a packed forest as trees again; every part is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.forest.stored.parts import (
    MISSING_LEFT,
    Layout,
    Parts,
    balance,
    leaf_trees,
)
from model_quantization.kernels.trees.coarsen import decode_leaves as decode_leaf_codes
from model_quantization.kernels.trees.feature_order import from_feature_order
from model_quantization.kernels.trees.pooled import PooledTrees
from model_quantization.kernels.trees.topology import shape, tree_starts
from model_quantization.kernels.trees.tree_pack import (
    Ranked,
    divide_counts,
    unpair_siblings,
    unrank_thresholds,
)


def decode_parts(parts: Parts, layout: Layout, path: str = "") -> PooledTrees:
    """The trees of these parts.

    Raises
    ------
    SemanticError
        Parts that do not fit each other, or a number out of its range.
    """
    read = _Reader(parts, layout, path)
    flags = read.bits("tree_splits", read.number("tree_nodes"))
    n_trees = read.number("tree_count")
    formed = shape(flags, n_trees) if 1 <= n_trees <= flags.size else None
    if formed is None:
        read.refuse("tree_splits", f"bits that close {n_trees} trees")
    n_splits = int(np.count_nonzero(flags))
    feature = read.array("tree_features", (n_splits,), "u").astype(np.uint32)
    if feature.size and int(feature.max()) >= layout.n_features:
        read.refuse("tree_features", f"features below {layout.n_features}")
    categorical = bitsets = None
    if "tree_categorical" in parts:
        categorical = read.bits("tree_categorical", n_splits) == 1
        bitsets = read.array("tree_bitsets", (int(categorical.sum()), 8), "u").astype(np.uint32)
    rows, ids = decode_leaves(read, flags)
    return PooledTrees(
        flags,
        *formed,
        feature,
        _decode_thresholds(read, feature),
        _decode_missing(read, flags, formed),
        rows,
        ids,
        _decode_order(read, flags, formed) if "tree_left" in parts else None,
        categorical,
        bitsets,
    )


def decode_leaves(read: _Reader, flags: Array) -> tuple[Array, Array]:
    """The leaf rows, and which one each leaf has."""
    parts, layout = read.parts, read.layout
    n_leaves = int(flags.size - np.count_nonzero(flags))
    if layout.width == 0:
        return np.zeros((1, 0)), np.zeros(n_leaves, dtype=np.uint32)
    if "tree_codes" in parts:
        return _decode_codes(read, flags), np.arange(n_leaves, dtype=np.uint32)
    name = "tree_counts" if "tree_counts" in parts else "tree_rows"
    stored = read.array(name, (None, layout.width), "u" if name == "tree_counts" else "f")
    if name == "tree_counts":
        grouped = stored.reshape(len(stored), layout.outputs, -1)
        rows = divide_counts(grouped).reshape(stored.shape)
    else:
        rows = stored.astype(np.float64)
    if "tree_leaves" in parts:
        ids_stored = read.array("tree_leaves", (None,), "u")
        distances = read.array("tree_second_leaves", (None,), "u")
        if not len(rows) or (ids_stored.size and int(ids_stored.max()) >= len(rows)):
            read.refuse("tree_leaves", f"rows below {len(rows)}")
        ids = unpair_siblings(ids_stored, distances, flags, len(rows))
        if ids is None:
            read.refuse("tree_leaves", f"one row per leaf, {n_leaves} in all")
        return rows, ids
    if len(rows) == 1:
        return rows, np.zeros(n_leaves, dtype=np.uint32)
    if len(rows) != n_leaves:
        read.refuse(name, f"one row a leaf ({n_leaves})")
    return rows, np.arange(n_leaves, dtype=np.uint32)


def _decode_codes(read: _Reader, flags: Array) -> Array:
    n_trees, width = read.number("tree_count"), read.layout.width
    n_leaves = int(flags.size - np.count_nonzero(flags))
    codes = read.array("tree_codes", (n_leaves, width), "u")
    scales = read.array("tree_scales", (n_trees, width), "f")
    centre = read.array("tree_centre", (width,), "f").astype(np.float64)
    if codes.dtype.itemsize > 2:
        read.refuse("tree_codes", "codes of 8 or 16 bits")
    if not (np.isfinite(scales).all() and np.isfinite(centre).all() and (scales > 0).all()):
        read.refuse("tree_scales", "finite numbers above zero")
    formed = shape(flags, n_trees)
    assert formed is not None  # checked by the caller
    return decode_leaf_codes(codes, scales, centre, leaf_trees(formed[0]))


def _decode_thresholds(read: _Reader, feature: Array) -> Array:
    thresholds = read.array("tree_thresholds", (None,), "f")
    if np.isnan(thresholds).any():
        read.refuse("tree_thresholds", "no NaN")
    if "tree_ranks" not in read.parts:
        if thresholds.size != feature.size:
            read.refuse("tree_thresholds", f"one per split ({feature.size})")
        return from_feature_order(np.array(thresholds), feature)
    sizes = read.array("tree_table_sizes", (None,), "u")
    ranks = read.array("tree_ranks", feature.shape, "u")
    found = unrank_thresholds(feature, Ranked(thresholds, sizes, ranks))
    if found is None:
        read.refuse("tree_ranks", "ranks within the tables of thresholds")
    return found


def _decode_missing(
    read: _Reader, flags: Array, formed: tuple[Array, Array]
) -> Callable[[], Array]:
    n_splits = int(np.count_nonzero(flags))
    same = read.parts.get(MISSING_LEFT)
    if isinstance(same, bool):
        return lambda: np.full(n_splits, same)
    bits = read.bits(MISSING_LEFT, n_splits)

    def decode() -> Array:
        missing_left = np.empty(n_splits, dtype=bool)
        missing_left[balance(flags, formed[0], formed[1])] = bits == 1
        return missing_left

    return decode


def _decode_order(read: _Reader, flags: Array, formed: tuple[Array, Array]) -> Array:
    """The number of each node, from those of the children; each tree's root is 0."""
    sizes, right = formed
    starts = tree_starts(sizes)
    inner = np.flatnonzero(flags)
    base = np.repeat(starts[:-1], sizes)[inner]
    left_number = read.array("tree_left", inner.shape, "u").astype(np.int64)
    gap = read.array("tree_right_gap", inner.shape, "i").astype(np.int64)
    order = np.zeros(flags.size, dtype=np.int64)
    order[inner + 1] = left_number
    order[base + right[inner]] = left_number + gap
    whole = order + np.repeat(starts[:-1], sizes)
    in_tree = (order >= 0) & (order < np.repeat(sizes, sizes))
    if not in_tree.all() or np.unique(whole).size != whole.size:
        read.refuse("tree_left", "a numbering of the nodes of each tree")
    return order.astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Parts read with their shapes and kinds checked."""

    parts: Parts
    layout: Layout
    path: str

    def number(self, name: str) -> int:
        value = self.parts.get(name)
        if type(value) is not int or value < 1:
            self.refuse(name, "a positive number")
        return value

    def array(self, name: str, expected: tuple[int | None, ...], kind: str) -> Array:
        value = self.parts.get(name)
        if (
            not isinstance(value, np.ndarray)
            or value.ndim != len(expected)
            or value.dtype.kind != kind
            or any(want not in (None, got) for want, got in zip(expected, value.shape, strict=True))
        ):
            self.refuse(name, f"an array of kind {kind!r}, shape {expected}")
        return value

    def bits(self, name: str, count: int) -> Array:
        packed = self.array(name, (-(-count // 8),), "u")
        if packed.dtype != np.uint8:
            self.refuse(name, "packed bits")
        return np.unpackbits(packed, count=count)

    def refuse(self, name: str, expected: str) -> NoReturn:
        raise SemanticError(
            "a part of the forest does not fit the others",
            where=f"{self.path}/{name}" if self.path else name,
            expected=expected,
        )
