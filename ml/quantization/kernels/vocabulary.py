"""A vocabulary as a tree of symbols: compact to store, and ready to be searched.

A term is a path of symbols: the words of an n-gram (`split` is a space), the characters of a
character n-gram (`split` is the empty string), or itself alone (`split` is None). All terms
together are a tree, and three small streams describe it level by level:

- `children`: how many children each node has; the first level has one node a symbol;
- `gaps`: the children of a node as steps between popularity ranks. Frequent symbols have small
  ranks, so that the steps are small numbers; `popularity` counts how often each symbol is a child;
- `ends`: whether a term ends at the node; nodes of the last level always end one.

Symbols are sorted and front coded: what a symbol shares with the one before it is only counted.
The canonical number of a term is its place in depth-first order. For words and characters that is
the order of the sorted strings, and so usually the column itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ml.quantization.errors import SemanticError

Array: TypeAlias = npt.NDArray[Any]
Index: TypeAlias = Any  # an int to Python, a machine integer to a compiled function
Split: TypeAlias = Literal[" ", ""] | None

MAX_SYMBOLS_IN_A_TERM = 12
_WHERE = "vocabulary"


@dataclass(frozen=True, slots=True)
class PackedTerms:
    """The stored form of a set of terms; every array is one-dimensional.

    Attributes
    ----------
    prefix, length : unsigned integer arrays, (n_symbols,)
        Bytes that a symbol shares with the one before it, and bytes of its own.
    data : uint8 array
        The bytes of their own, one symbol after the other (UTF-8, surrogates kept).
    popularity : unsigned integer array, (n_symbols,) or (0,)
        How often each symbol is a child; empty when no node has children.
    children : unsigned integer array, (n_inner,)
        Children of each node above the last level.
    gaps : unsigned integer array, (n_nodes - n_symbols,)
        Popularity ranks of the children, as steps (the first from zero, the others minus one).
    ends : bool array, (n_inner,) or (0,)
        Nodes at which a term ends; empty: all.
    """

    prefix: Array
    length: Array
    data: Array
    popularity: Array
    children: Array
    gaps: Array
    ends: Array


@dataclass(frozen=True, slots=True)
class TermTree:
    """The searchable form: what the kernels walk.

    Attributes
    ----------
    blob : uint8 array
        The bytes of all symbols.
    offsets : int32 array, (n_symbols + 1,)
        Where each symbol begins in `blob`.
    first : uint32 array, (n_inner + 1,)
        Where the children of each inner node begin in `labels`.
    labels : uint16 or uint32 array
        The symbol of each node below the first level, ascending within its siblings. The node
        with label `i` has number `n_symbols + i`.
    number : uint32 array, (n_inner,)
        Twice the number of terms before the node, plus one when a term ends there.
    n_terms : int
    """

    blob: Array
    offsets: Array
    first: Array
    labels: Array
    number: Array
    n_terms: int

    @property
    def n_symbols(self) -> int:
        """Nodes of the first level."""
        return len(self.offsets) - 1


def narrowed(values: Array) -> Array:
    """The same non-negative integers in the narrowest unsigned type that holds them."""
    top = int(values.max()) if values.size else 0
    return np.ascontiguousarray(values.astype(np.min_scalar_type(top)))


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
    order = np.lexsort(grid.T[::-1])
    numbers = np.empty(len(paths), dtype=np.int64)
    numbers[order] = np.arange(len(paths))
    children, labels, parents, ends = _levels(grid[order], counts[order], len(symbols))
    popularity = np.bincount(labels, minlength=len(symbols))
    rank = np.empty(len(symbols), dtype=np.int64)
    rank[ranking(popularity)] = np.arange(len(symbols))
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
        children=narrowed(children),
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


def grow_tree(packed: PackedTerms) -> TermTree:
    """The searchable tree.

    Raises
    ------
    SemanticError
        The streams contradict each other (a prefix longer than the symbol before, counts that do
        not add up, a rank beyond the symbols): such a file was not written by this library.
    """
    from ml.quantization.kernels import term_tree

    _check_streams(packed)
    n_symbols = len(packed.prefix)
    prefix, length = packed.prefix.astype(np.uint32), packed.length.astype(np.uint32)
    total = int(prefix.sum(dtype=np.int64) + length.sum(dtype=np.int64))
    blob = np.empty(total, dtype=np.uint8)
    offsets = np.zeros(n_symbols + 1, dtype=np.int32)
    np.cumsum(prefix + length, out=offsets[1:])
    if not term_tree.join_symbols(prefix, packed.data, offsets, blob):
        raise SemanticError("a symbol shares more bytes than the one before it has", where=_WHERE)
    first = np.zeros(len(packed.children) + 1, dtype=np.uint32)
    np.cumsum(packed.children, out=first[1:])
    labels = np.empty(len(packed.gaps), dtype=np.uint16 if n_symbols <= 1 << 16 else np.uint32)
    order = ranking(packed.popularity).astype(np.uint32)
    if not term_tree.place_children(packed.gaps.astype(np.uint32), first, order, labels):
        raise SemanticError("a child has a rank beyond the last symbol", where=_WHERE)
    ends = packed.ends if packed.ends.size else np.ones(len(packed.children), dtype=np.bool_)
    number = np.empty(len(packed.children), dtype=np.uint32)
    n_terms = term_tree.number_terms(ends, first, n_symbols, number)
    return TermTree(blob, offsets, first, labels, number, int(n_terms))


def _check_streams(packed: PackedTerms) -> None:
    n_symbols, n_inner, n_children = len(packed.prefix), len(packed.children), len(packed.gaps)
    for name in ("prefix", "length", "data", "popularity", "children", "gaps"):
        array = getattr(packed, name)
        if array.ndim != 1 or array.dtype.kind != "u":
            raise SemanticError(
                f"stream {name} is malformed",
                where=_WHERE,
                expected="one dimension of an unsigned integer type",
                got=f"{array.ndim} of {array.dtype}",
            )
    below = int(packed.children.sum(dtype=np.uint64))
    last_level = n_symbols + n_children - n_inner
    problems = {
        "every symbol needs a prefix and a length": len(packed.length) != n_symbols,
        "the symbols' own bytes do not add up": int(packed.length.sum(dtype=np.uint64))
        != len(packed.data),
        "the symbols are too long": int(packed.prefix.sum(dtype=np.uint64)) >= 1 << 31,
        "the children do not add up": below != n_children,
        "the levels do not add up": n_inner != 0 and not _levels_fit(packed.children, n_symbols),
        "a last level is missing": last_level < 0 or (n_inner == 0 and n_children != 0),
        "every symbol needs a popularity": len(packed.popularity)
        not in ({n_symbols} if n_children else {0, n_symbols}),
        "every inner node needs an end flag": packed.ends.size not in (0, n_inner),
        "end flags are not booleans": packed.ends.dtype != np.bool_ or packed.ends.ndim != 1,
        "there are too many terms": n_symbols + n_children >= 1 << 30,
    }
    for problem, found in problems.items():
        if found:
            raise SemanticError(problem, where=_WHERE)


def _levels_fit(children: Array, n_symbols: int) -> bool:
    """Whether whole levels, and nothing more, have their children counted."""
    start, size = 0, n_symbols
    for _ in range(MAX_SYMBOLS_IN_A_TERM):
        if start + size > len(children):
            return False
        below = int(children[start : start + size].sum(dtype=np.uint64))
        start, size = start + size, below
        if start == len(children):
            return True
    return False


def terms_of(tree: TermTree, split: Split) -> list[str]:
    """The terms by canonical number."""
    raw = tree.blob.tobytes()
    cuts = tree.offsets.tolist()
    symbols = [raw[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(cuts)]
    n_inner = len(tree.number)
    if not n_inner:
        return symbols
    terms = [""] * tree.n_terms
    names = symbols
    joint = split or ""
    first, number, labels = tree.first.tolist(), tree.number.tolist(), tree.labels.tolist()
    for node in range(n_inner):
        name = names[node]
        place = number[node] >> 1
        if number[node] & 1:
            terms[place] = name
        place += number[node] & 1
        below = [
            f"{name}{joint}{symbols[label]}" for label in labels[first[node] : first[node + 1]]
        ]
        names.extend(below)
        if below and tree.n_symbols + first[node] >= n_inner:
            terms[place : place + len(below)] = below
    return terms
