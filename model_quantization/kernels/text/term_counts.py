"""Symbols to term counts, as the rows of a sparse matrix."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.text.symbol_ids import EDGE


@kernel
def longest(cuts: Array) -> int:
    """Return the largest difference of neighbours in an int64 array that ascends; 0 for none."""
    return int(np.diff(cuts).max(initial=0))


@kernel
def largest(counts: Array) -> int:
    """Return the largest of the int64 counts, at least 1."""
    return int(counts.max(initial=1))


@kernel
def count_terms(
    ids: Array, id_cuts: Array, least: int, most: int, words: bool,
    first: Array, labels: Array, number: Array, n_symbols: int, columns: Array,
    indices: Array, counts: Array, rows: Array, found: Array, scratch: Array,
) -> None:  # fmt: skip
    """Fill `indices`, `counts` and `rows` (CSR): ascending columns and counts of every document.

    Parameters
    ----------
    ids, id_cuts : int32 array, int64 array
        Symbols of all documents, and where each document's begin and end.
    least, most : int
        Symbols of a term.
    words : bool
        `EDGE` divides a document into words; one shorter than `least` counts as a whole.
    first, labels, number, n_symbols
        The vocabulary: see `vocabulary.TermTree`.
    columns : int32 array
        Column of each term by its canonical number; empty: the number itself.
    indices, counts, rows : int32, int64 and int64 arrays
        Filled, the first two as far as `rows[-1]`.
    found, scratch : int32 arrays
        Room for `most - least + 1` times the symbols of the longest document.
    """
    tree = _Tree(first.tolist(), labels.tolist(), number.tolist(), n_symbols)
    filled = rows[0] = 0
    for document, (start, end) in enumerate(
        zip(id_cuts.tolist(), id_cuts[1:].tolist(), strict=False)
    ):
        symbols = ids[start:end].tolist()
        terms: list[int] = []
        for word in _words(symbols) if words else [symbols]:
            terms += tree.terms(word, min(least, len(word)) if words else least, most)
        chosen = columns[terms] if columns.size and terms else np.array(terms, dtype=np.int64)
        distinct, times = np.unique(chosen, return_counts=True)
        indices[filled : filled + distinct.size] = distinct
        counts[filled : filled + distinct.size] = times
        filled += distinct.size
        rows[document + 1] = filled


def _words(symbols: list[int]) -> list[list[int]]:
    words: list[list[int]] = [[]]
    for symbol in symbols:
        if symbol == EDGE:
            words.append([])
        else:
            words[-1].append(symbol)
    return words


class _Tree:
    """A vocabulary, walked plainly."""

    def __init__(
        self, first: list[int], labels: list[int], number: list[int], n_symbols: int
    ) -> None:
        self.first, self.labels, self.number, self.n_symbols = first, labels, number, n_symbols

    def terms(self, symbols: list[int], least: int, most: int) -> list[int]:
        """The numbers of all terms of `least` to `most` neighbours among the symbols."""
        found = []
        for place in range(len(symbols)):
            for size in range(max(least, 1), min(most, len(symbols) - place) + 1):
                term = self.term(symbols[place : place + size])
                if term is not None:
                    found.append(term)
        return found

    def term(self, path: list[int]) -> int | None:
        """The number of the term with this path of symbols, if it is one."""
        node = path[0]
        if min(path) < 0 or node >= self.n_symbols:
            return None
        if not self.number:
            return node if len(path) == 1 else None
        before = last = 0
        for depth, symbol in enumerate(path):
            if depth:
                if node >= len(self.number):
                    return None
                low, high = self.first[node], self.first[node + 1]
                children = self.labels[low:high]
                if symbol not in children:
                    return None
                before = (self.number[node] >> 1) + (self.number[node] & 1)
                last = children.index(symbol)
                node = self.n_symbols + low + last
        if node >= len(self.number):
            return before + last
        return self.number[node] >> 1 if self.number[node] & 1 else None
