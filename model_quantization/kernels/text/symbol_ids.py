"""Compiled text kernels: documents to the numbers of their symbols (imports numba)."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compile import compiled
from model_quantization.kernels.text.term_tree import FNV_PRIME, FNV_START, find_symbol

UNKNOWN = -1
EDGE = -2  # between two words of a `char_wb` document


@compiled
def word_ids(
    data: Array, cuts: Array, bits: Array, shortest: int,
    blob: Array, offsets: Array, table: Array, n_stop: int, ids: Array, id_cuts: Array,
) -> None:  # fmt: skip
    r"""Fill `ids` with the symbol of every run of at least `shortest` word characters.

    Parameters
    ----------
    data, cuts : uint8 array, int64 array
        UTF-8 of all documents, and where each begins and ends.
    bits : uint8 array
        One bit a code point: whether it matches ``\w``.
    blob, offsets, table, n_stop
        The symbols, hashed; the first `n_stop` are stop words, which leave no trace.
    ids, id_cuts : int32 array, int64 array
        Filled: symbols (`UNKNOWN` when there is none), and where each document's begin and end.
    """
    filled = 0
    for document in range(cuts.size - 1):
        id_cuts[document] = filled
        at = cuts[document]
        end = cuts[document + 1]
        length = 0
        start = at
        value = FNV_START
        while at <= end:
            inside = False
            step = 1
            if at < end:
                code = np.int64(data[at])
                if code >= 0xF0:
                    code = ((code & 7) << 18) | ((np.int64(data[at + 1]) & 63) << 12)
                    code |= ((np.int64(data[at + 2]) & 63) << 6) | (np.int64(data[at + 3]) & 63)
                    step = 4
                elif code >= 0xE0:
                    code = ((code & 15) << 12) | ((np.int64(data[at + 1]) & 63) << 6)
                    code |= np.int64(data[at + 2]) & 63
                    step = 3
                elif code >= 0xC0:
                    code = ((code & 31) << 6) | (np.int64(data[at + 1]) & 63)
                    step = 2
                inside = (bits[code >> 3] >> np.uint8(code & 7)) & 1 != 0
            if inside:
                if length == 0:
                    start = at
                    value = FNV_START
                length += 1
                for k in range(at, at + step):
                    value = np.uint32((value ^ np.uint32(data[k])) * FNV_PRIME)
            else:
                if length >= shortest:
                    symbol = find_symbol(data, start, at, value, blob, offsets, table)
                    if symbol >= n_stop or symbol < 0:
                        ids[filled] = symbol - n_stop if symbol >= 0 else UNKNOWN
                        filled += 1
                length = 0
            at += step
    id_cuts[cuts.size - 1] = filled


@compiled
def token_ids(
    data: Array, cuts: Array,
    blob: Array, offsets: Array, table: Array, n_stop: int, ids: Array, id_cuts: Array,
) -> None:  # fmt: skip
    """Like `word_ids` for documents that are tokens already, joined by a zero byte."""
    filled = 0
    for document in range(cuts.size - 1):
        id_cuts[document] = filled
        end = cuts[document + 1]
        start = cuts[document]
        value = FNV_START
        for at in range(start, end + 1):
            if at < end and data[at] != 0:
                value = np.uint32((value ^ np.uint32(data[at])) * FNV_PRIME)
                continue
            if at > start:
                symbol = find_symbol(data, start, at, value, blob, offsets, table)
                if symbol >= n_stop or symbol < 0:
                    ids[filled] = symbol - n_stop if symbol >= 0 else UNKNOWN
                    filled += 1
            start = at + 1
            value = FNV_START
    id_cuts[cuts.size - 1] = filled


@compiled
def character_ids(
    codes: Array, cuts: Array, pages: Array, symbols: Array, words: bool, ids: Array, id_cuts: Array
) -> None:
    """Fill `ids` with the symbol of every code point, by a table of pages of 256.

    With `words`, a document is words with a space before and after each, and `EDGE` is put between
    two of them.
    """
    filled = 0
    for document in range(cuts.size - 1):
        id_cuts[document] = filled
        before = np.uint32(0)
        for at in range(cuts[document], cuts[document + 1]):
            code = codes[at]
            if words and code == 32 and before == 32:
                ids[filled] = EDGE
                filled += 1
            ids[filled] = symbols[np.int64(pages[code >> 8]) * 256 + np.int64(code & 255)]
            filled += 1
            before = code
    id_cuts[cuts.size - 1] = filled
