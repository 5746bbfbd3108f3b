"""The arithmetic of a pooled forest: thresholds as ranks, leaves as ids, order as small numbers.

Everything is exact: each function here has an inverse, and the pair gives every bit back.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.trees.feature_order import by_feature
from model_quantization.values import Value

Indices = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint32]

# Above this share of distinct values a table of them costs more than it saves: a rank in a table
# of n distinct values and the sorted table together take 1.44 bits more than the value itself.
DIRECT_SHARE = 0.9
LARGEST_TABLE_SHARE = 0.5
MOST_SIBLING_ROWS = 1 << 16
_HASH_SEED = 20_240_607


def narrow(values: Array) -> Array:
    """The same non-negative integers in the smallest unsigned dtype."""
    top = int(values.max(initial=0))
    return values.astype(np.min_scalar_type(top), copy=False)


def floor_float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each value.

    For every float32 x, `x <= value` and `x <= floor_float32(value)` are the same.
    """
    with np.errstate(over="ignore"):
        floored = values.astype(np.float32)
    above = floored.astype(np.float64) > values
    floored[above] = np.nextafter(floored[above], np.float32(-np.inf))
    return floored


def ceil_float32(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The smallest float32 that is not below each value.

    Thresholds are often values of the data themselves: a row that holds one must still be
    `<=` it, also where float32 cannot.
    """
    return -floor_float32(-values)


class Ranked(Value, frozen=True):
    """Thresholds as ranks into one sorted table of distinct values per feature.

    Attributes
    ----------
    table : float array
        The tables of all features, by feature number.
    sizes : int array, shape (n_features,)
        Entries of each feature's table.
    ranks : int array
        One per split, the splits ordered by feature (stable).
    """

    table: Array
    sizes: Array
    ranks: Array


def rank_thresholds(
    feature: Array, threshold: Array, n_features: int, *, always: bool = False
) -> Ranked | None:
    """Thresholds as ranks; None where the plain values are smaller (see `DIRECT_SHARE`).

    `always` gives ranks even then. -0.0 is stored as 0.0: they compare alike.
    """
    values = threshold + threshold.dtype.type(0)
    by_value = np.lexsort((values, feature))
    f, v = feature[by_value], values[by_value]
    fresh = np.ones(v.size, dtype=bool)
    fresh[1:] = (f[1:] != f[:-1]) | (v[1:] != v[:-1])
    if not always and fresh.sum() > DIRECT_SHARE * v.size:
        return None
    sizes = np.bincount(f[fresh], minlength=n_features)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    ranks = np.empty(v.size, dtype=np.int64)
    ranks[by_value] = np.cumsum(fresh) - 1 - starts[f]
    return Ranked(v[fresh], narrow(sizes), narrow(ranks[by_feature(feature)]))


def unrank_thresholds(feature: npt.NDArray[np.uint32], ranked: Ranked) -> Array | None:
    """The thresholds of splits with these features; None where a rank is beyond its table."""
    sizes = ranked.sizes.astype(np.int64)
    if ranked.ranks.size != feature.size or int(sizes.sum()) != ranked.table.size:
        return None
    if int(feature.max(initial=0)) >= max(sizes.size, 1):
        return None
    places = np.empty(feature.size, dtype=np.uint32)
    starts, room = np.cumsum(sizes) - sizes, np.empty(sizes.size + 1, dtype=np.int64)
    if not place_ranks(ranked.ranks.astype(np.uint32), feature, sizes, starts, room, places):
        return None
    return np.asarray(ranked.table[places])


@kernel
def place_ranks(
    ranks: Numbers,
    feature: npt.NDArray[np.uint32],
    sizes: Indices,
    starts: Indices,
    room: Indices,
    places: Numbers,
) -> bool:
    """Fill `places` with where each split's threshold is; whether every rank is in its table.

    Parameters
    ----------
    ranks : uint32, shape (n,)
        Ordered by feature.
    feature : uint32, shape (n,)
        In preorder, as `places`.
    sizes, starts : int64, shape (n_features,)
        Entries of each feature's table, and where it starts.
    room : int64, shape (n_features + 1,)
        Scratch.
    """
    rank = np.empty(feature.size, dtype=np.int64)
    rank[by_feature(feature)] = ranks
    places[:] = starts[feature] + rank
    return bool((rank < sizes[feature]).all())


class Table(Value, frozen=True):
    """Distinct rows, and for each item the row it has."""

    rows: Array
    ids: Array


def tabulate_rows(rows: Array) -> Table | None:
    """Rows as ids into the distinct ones, in sorted order; None where that saves nothing.

    Rows are the same when their bits are. They are told apart by a hash that is then verified.
    """
    bits = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    key = _row_keys(bits)
    _, first, ids = np.unique(key, return_index=True, return_inverse=True)
    if len(first) > max(LARGEST_TABLE_SHARE * len(rows), 1):
        return None
    distinct = rows[first]
    order = np.lexsort(distinct.T[::-1])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    ids = rank[ids.reshape(-1)]
    distinct = distinct[order]
    same = np.array_equal(
        np.ascontiguousarray(distinct[ids]).view(np.uint8).reshape(len(rows), -1), bits
    )
    return Table(distinct, narrow(ids)) if same else None


def _row_keys(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    width = -(-bits.shape[1] // 8) * 8
    if width != bits.shape[1]:
        bits = np.pad(bits, ((0, 0), (0, width - bits.shape[1])))
    words = np.ascontiguousarray(bits).view(np.uint64)
    if words.shape[1] == 1:
        return words[:, 0]
    odd = np.random.default_rng(_HASH_SEED).integers(1, 1 << 63, words.shape[1], dtype=np.uint64)
    factors = np.asarray(odd | np.uint64(1))
    key = np.zeros(len(words), dtype=np.uint64)
    for column, factor in enumerate(factors):
        mixed = words[:, column] ^ (words[:, column] >> np.uint64(29))
        key = (key ^ (key >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + mixed * factor
    return key


def second_siblings(split: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """For each leaf in preorder: whether it is the right one of two sibling leaves.

    Its left sibling is then the leaf before it.
    """
    second: npt.NDArray[np.bool_] = np.zeros(split.size, dtype=bool)
    second[2:] = (split[:-2] == 1) & (split[1:-1] == 0) & (split[2:] == 0)
    return np.asarray(second[split == 0])


def pair_siblings(ids: Array, second: npt.NDArray[np.bool_], n_rows: int) -> tuple[Array, Array]:
    """The ids of other leaves, and for the right one of two sibling leaves its distance.

    Two sibling leaves rarely have the same row, or the split would not have been made: the
    distance from the left one takes fewer values than an id, and has its own frequencies.
    """
    wide = ids.astype(np.int64)
    at = np.flatnonzero(second)
    return narrow(wide[~second]), narrow((wide[at] - wide[at - 1]) % n_rows)


def unpair_siblings(
    ids: Array, distances: Array, split: npt.NDArray[np.uint8], n_rows: int
) -> npt.NDArray[np.uint32] | None:
    """The ids of all leaves: the inverse of `pair_siblings`; None where the counts do not fit."""
    whole = np.empty(ids.size + distances.size, dtype=np.uint32)
    if not ids.size or whole.size != split.size - np.count_nonzero(split):
        return None
    if int(distances.max(initial=0)) >= n_rows:
        return None
    n_first = merge_siblings(_one_more(ids), _one_more(distances), split, n_rows, whole)
    return whole if n_first == ids.size else None


def _one_more(values: Array) -> npt.NDArray[np.uint32]:
    """The values and a zero, which the kernel reads after the last but does not use."""
    longer = np.zeros(values.size + 1, dtype=np.uint32)
    longer[:-1] = values
    return longer


@kernel
def merge_siblings(
    ids: Numbers, distances: Numbers, split: npt.NDArray[np.uint8], n_rows: int, whole: Numbers
) -> int:
    """Fill `whole`; how many leaves are not the right one of two sibling leaves.

    `ids` and `distances` end in one entry that is not used. Where others are too few or too many
    for the splits, `whole` is of no meaning.
    """
    second = second_siblings(split)
    n_first = int(second.size - np.count_nonzero(second))
    if n_first == ids.size - 1 and second.size - n_first == distances.size - 1:
        whole[~second] = ids[:-1]
        at = np.flatnonzero(second)
        far = whole[at - 1].astype(np.int64) + distances[:-1]
        whole[at] = far - np.where(far >= n_rows, n_rows, 0)
    return n_first


def by_balance(left_leaves: Array, right_leaves: Array) -> Indices:
    """The order of splits by how many more leaves there are on the left.

    Training sends missing values to the side with more rows, and that is mostly the side with
    more leaves: in this order the bits that say so come in runs.
    """
    difference = left_leaves.astype(np.int64) - right_leaves
    return np.argsort(difference.clip(-(1 << 15), (1 << 15) - 1).astype(np.int16), kind="stable")


def leaf_counts(rows: Array, outputs: int) -> Array | None:
    """Class fractions as the counts they came from; None unless dividing gives every bit back.

    Parameters
    ----------
    rows : float64, shape (n, outputs * classes)
        Each output's fractions sum to 1 (or 0 where a leaf is empty).
    """
    grouped = rows.reshape(len(rows), outputs, -1)
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        return None
    smallest = np.where(grouped > 0, grouped, np.inf).min(axis=2)
    counts = np.zeros_like(grouped)
    open_ = np.ones(grouped.shape[:2], dtype=bool)
    for guess in range(1, MOST_GUESSES + 1):
        # The rarest class of the leaf was seen `guess` times: then the others follow.
        total = np.rint(guess / smallest[open_])
        tried = np.rint(grouped[open_] * total[:, None])
        good = (divide_counts(tried) == grouped[open_]).all(axis=1) & (total < 1 << 31)
        at = tuple(axis[good] for axis in np.nonzero(open_))
        counts[at] = tried[good]
        open_[at] = False
        if not open_.any():
            return narrow(counts.reshape(rows.shape).astype(np.int64))
    return None


MOST_GUESSES = 64


def divide_counts(counts: Array) -> npt.NDArray[np.float64]:
    """Counts along the last axis as fractions of their sum; zeros where the sum is zero."""
    wide = counts.astype(np.float64)
    total = wide.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(wide, total, out=np.zeros_like(wide), where=total != 0))
