"""A vocabulary as a tree of symbols: compact to store, and ready to be searched.

A term is a path of symbols: the words of an n-gram (`split` is a space), the characters of a
character n-gram (`split` is the empty string), or itself alone (`split` is None). All terms
together are a tree, and three small streams describe it level by level:

- `fanout`: how many children each node has; the first level has one node per symbol, and lists
  them from the most popular symbol to the least, which is nearly from the most to the fewest;
- `gaps`: the children of a node as steps between popularity ranks. Frequent symbols have small
  ranks, so that the steps are small numbers; `popularity` counts how often each symbol is a child;
- `ends`: whether a term ends at the node; nodes of the last level always end one.

Symbols are sorted and front coded: what a symbol shares with the one before it is only counted.
The canonical number of a term is its place in depth-first order. For words and characters that is
the order of the sorted strings, and so usually the column itself.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.kernels.arrays import narrowed_in_two
from model_quantization.values import Value

Split: TypeAlias = Literal[" ", ""] | None

MAX_SYMBOLS_IN_A_TERM = 12
_WHERE = "vocabulary"


class PackedTerms(Value, frozen=True):
    """The stored form of a set of terms; every array is one-dimensional.

    Attributes
    ----------
    prefix, length : unsigned integer arrays, (n_symbols,)
        Bytes that a symbol shares with the one before it, and bytes of its own.
    data : uint8 array
        The bytes of their own, one symbol after the other (UTF-8, surrogates kept).
    popularity : unsigned integer array, (n_symbols,) or (0,)
        How often each symbol is a child; empty when no node has children.
    fanout : unsigned integer array, (n_inner,)
        Children of each node above the last level.
    by_rank : bool
        Whether `fanout` lists the nodes of the first level by popularity rank; else, as older
        files do, by symbol.
    gaps : unsigned integer array, (n_nodes - n_symbols,)
        Popularity ranks of the children, as steps (the first from zero, the others minus one).
    ends : bool array, (n_inner,) or (0,)
        Nodes at which a term ends; empty: all.
    """

    prefix: Array
    length: Array
    data: Array
    popularity: Array
    fanout: Array
    gaps: Array
    ends: Array
    by_rank: bool = True


class TermTree(Value, frozen=True):
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


def grow_tree(packed: PackedTerms) -> TermTree:
    """The searchable tree.

    Raises
    ------
    SemanticError
        The streams contradict each other (a prefix longer than the symbol before, counts that do
        not add up, a rank beyond the symbols): such a file was not written by this library.
    """
    from model_quantization.kernels.text import term_tree

    _check_streams(packed)
    n_symbols, n_inner = len(packed.prefix), len(packed.fanout)
    prefix, length = packed.prefix.astype(np.uint32), packed.length.astype(np.uint32)
    offsets = np.zeros(n_symbols + 1, dtype=np.int32)
    np.cumsum(prefix + length, out=offsets[1:])
    blob = np.empty(int(offsets[-1]), dtype=np.uint8)
    if not term_tree.join_symbols(prefix, packed.data, offsets, blob):
        raise SemanticError("a symbol shares more bytes than the one before it has", where=_WHERE)
    order = np.empty(len(packed.popularity), dtype=np.uint32)
    steps = np.empty(int(packed.popularity.max(initial=0)) + 2, dtype=np.int64)
    term_tree.rank_symbols(packed.popularity.astype(np.uint32), order, steps)
    children = packed.fanout.astype(np.uint32)
    if packed.by_rank and n_inner:
        children[order] = packed.fanout[:n_symbols]
    first = np.zeros(n_inner + 1, dtype=np.uint32)
    np.cumsum(children, out=first[1:])
    labels = np.empty(len(packed.gaps), dtype=np.uint16 if n_symbols <= 1 << 16 else np.uint32)
    nodes = np.empty(len(labels), dtype=np.uint16 if n_inner <= 1 << 16 else np.uint32)
    places, filled = np.empty(len(order) + 1, np.uint32), np.empty(len(first), np.uint32)
    gaps = narrowed_in_two(packed.gaps)
    if not term_tree.place_children(gaps, first, order, labels, nodes, places, filled):
        raise SemanticError("a child has a rank beyond the last symbol", where=_WHERE)
    ends = packed.ends if packed.ends.size else np.ones(n_inner, dtype=np.bool_)
    number = np.empty(n_inner, dtype=np.uint32)
    below = np.empty(n_inner, dtype=np.int64)
    n_terms = term_tree.number_terms(ends, first, n_symbols, number, below)
    return TermTree(blob, offsets, first, labels, number, int(n_terms))


def _check_streams(packed: PackedTerms) -> None:
    n_symbols, n_inner, n_children = len(packed.prefix), len(packed.fanout), len(packed.gaps)
    for name in ("prefix", "length", "data", "popularity", "fanout", "gaps"):
        array = getattr(packed, name)
        if array.ndim != 1 or array.dtype.kind != "u":
            raise SemanticError(
                f"stream {name} is malformed",
                where=_WHERE,
                expected="one dimension of an unsigned integer type",
                got=f"{array.ndim} of {array.dtype}",
            )
    below = int(packed.fanout.sum(dtype=np.uint64))
    last_level = n_symbols + n_children - n_inner
    problems = {
        "every symbol needs a prefix and a length": len(packed.length) != n_symbols,
        "the symbols' own bytes do not add up": int(packed.length.sum(dtype=np.uint64))
        != len(packed.data),
        "the symbols are too long": int(packed.prefix.sum(dtype=np.uint64)) + len(packed.data)
        >= 1 << 31,
        "the children do not add up": below != n_children,
        "the levels do not add up": n_inner != 0 and not _levels_fit(packed.fanout, n_symbols),
        "a last level is missing": last_level < 0 or (n_inner == 0 and n_children != 0),
        "every symbol needs a popularity": len(packed.popularity)
        not in ({n_symbols} if n_children or (n_inner and packed.by_rank) else {0, n_symbols}),
        "a symbol is a child more often than there are children": int(
            packed.popularity.max(initial=0)
        )
        > n_children,
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
