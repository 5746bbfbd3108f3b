"""Terms to the streams of a vocabulary (see `vocabulary`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import narrowed
from model_quantization.kernels.text.vocabulary import MAX_SYMBOLS_IN_A_TERM, PackedTerms, Split


def pack_terms(terms: Sequence[str], split: Split) -> tuple[PackedTerms, Array] | None:
    """The terms in stored form, and for each term its canonical number.

    Parameters
    ----------
    terms : sequence of str
        Distinct strings in any order.
    split : {" ", "", None}
        What joins the symbols of a term.

    Returns
    -------
    (PackedTerms, int64 array of shape (n_terms,)) or None
        None when some term has no symbols or more than `MAX_SYMBOLS_IN_A_TERM`; it fits with
        `split=None` then.
    """
    paths = _paths(terms, split)
    if paths is None:
        return None
    symbols = sorted({symbol for path in paths for symbol in path})
    index = {symbol: position for position, symbol in enumerate(symbols)}
    counts = np.fromiter(map(len, paths), dtype=np.int64, count=len(paths))
    grid = np.full((len(paths), int(counts.max(initial=1))), -1, dtype=np.int64)
    flat = np.fromiter((index[s] for path in paths for s in path), np.int64, int(counts.sum()))
    grid[np.arange(grid.shape[1]) < counts[:, None]] = flat
    sorting = np.lexsort(grid.T[::-1])
    numbers = np.empty(len(paths), dtype=np.int64)
    numbers[sorting] = np.arange(len(paths))
    children, labels, parents, ends = _levels(grid[sorting], counts[sorting], len(symbols))
    popularity = np.bincount(labels, minlength=len(symbols))
    rank = np.empty(len(symbols), dtype=np.int64)
    order = ranking(popularity)
    rank[order] = np.arange(len(symbols))
    if children.size:
        children[: len(symbols)] = children[order]
    by_rank = np.lexsort((rank[labels], parents))
    ranks = rank[labels][by_rank]
    steps = np.diff(ranks, prepend=0)
    same = np.diff(parents, prepend=-1) == 0
    gaps = np.where(same, steps - 1, ranks)
    prefix, length, data = front_code([s.encode("utf-8", "surrogatepass") for s in symbols])
    packed = PackedTerms(
        prefix=prefix,
        length=length,
        data=data,
        popularity=narrowed(popularity) if labels.size else np.zeros(0, np.uint8),
        fanout=narrowed(children),
        gaps=narrowed(gaps),
        ends=np.zeros(0, np.bool_) if ends.all() else ends,
    )
    return packed, numbers


def _paths(terms: Sequence[str], split: Split) -> list[Sequence[str]] | None:
    if split is None:
        return [(term,) for term in terms]
    paths: list[Sequence[str]] = [term.split(" ") for term in terms] if split else list(terms)
    fits = all(0 < len(path) <= MAX_SYMBOLS_IN_A_TERM for path in paths)
    return paths if fits else None


def _levels(grid: Array, counts: Array, n_symbols: int) -> tuple[Array, Array, Array, Array]:
    """Children per inner node, then label and parent of each child, and ends per inner node."""
    depth = grid.shape[1]
    node = grid[:, 0]
    n_level = n_symbols
    n_above = 0
    changed = np.diff(grid[:, 0], prepend=-1) != 0
    children, labels, parents, ends = [], [], [], []
    for level in range(depth - 1):
        end = np.zeros(n_level, dtype=np.bool_)
        end[node[counts == level + 1]] = True
        ends.append(end)
        inside = counts > level + 1
        changed = changed | (np.diff(grid[:, level + 1], prepend=-2) != 0)
        new = changed & inside
        parents.append(node[new] + n_above)
        labels.append(grid[new, level + 1])
        children.append(np.bincount(node[new], minlength=n_level))
        n_above += n_level
        n_level = int(new.sum())
        node = np.cumsum(new) - 1
    if depth == 1:
        none = np.zeros(0, dtype=np.int64)
        return none, none, none, np.zeros(0, dtype=np.bool_)
    return tuple(np.concatenate(part) for part in (children, labels, parents, ends))  # type: ignore[return-value]


def ranking(popularity: Array) -> Array:
    """Symbols from the most to the least popular; equal ones in their own order."""
    if popularity.dtype.kind != "u":
        popularity = narrowed(popularity)
    # In a narrow unsigned type a stable sort is a radix sort, five times as quick.
    return np.argsort(popularity.max(initial=0) - popularity, kind="stable")


def front_code(items: Sequence[bytes]) -> tuple[Array, Array, Array]:
    """Bytes shared with the item before, bytes of its own, and those bytes, for sorted items."""
    shared = np.zeros(len(items), dtype=np.int64)
    own: list[bytes] = []
    before = b""
    for position, item in enumerate(items):
        limit = min(len(before), len(item))
        same = 0
        while same < limit and before[same] == item[same]:
            same += 1
        shared[position] = same
        own.append(item[same:])
        before = item
    length = np.fromiter(map(len, own), dtype=np.int64, count=len(own))
    return narrowed(shared), narrowed(length), np.frombuffer(b"".join(own), dtype=np.uint8)


def front_decode(prefix: Array, length: Array, data: Array) -> list[bytes]:
    """The items that `front_code` coded; the specification of the compiled decoder."""
    items: list[bytes] = []
    before = b""
    raw = data.tobytes()
    at = 0
    for shared, own in zip(prefix.tolist(), length.tolist(), strict=True):
        before = before[:shared] + raw[at : at + own]
        at += own
        items.append(before)
    return items
