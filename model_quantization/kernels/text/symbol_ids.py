"""Documents to the numbers of their symbols."""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.text.term_tree import symbol_of

UNKNOWN = -1
EDGE = -2  # between two words of a `char_wb` document


@kernel
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
        One bit per code point: whether it matches ``\w``.
    shortest : int
        At least 1.
    blob, offsets, table, n_stop
        The symbols, hashed; the first `n_stop` are stop words, which are left out.
    ids, id_cuts : int32 array, int64 array
        Filled with symbols (`UNKNOWN` for text that is no symbol), and the begin and end of each
        document's.
    """
    raw = data.tobytes()
    flags = np.unpackbits(bits, bitorder="little")
    documents = []
    for start, end in _spans(cuts):
        words, word = [], ""
        for character in f"{raw[start:end].decode('utf-8', 'surrogatepass')}\0":
            if flags[ord(character)]:
                word += character
            else:
                if word and len(word) >= shortest:
                    words.append(word.encode("utf-8", "surrogatepass"))
                word = ""
        documents.append(words)
    _fill(documents, blob, offsets, table, n_stop, ids, id_cuts)


@kernel
def token_ids(
    data: Array, cuts: Array,
    blob: Array, offsets: Array, table: Array, n_stop: int, ids: Array, id_cuts: Array,
) -> None:  # fmt: skip
    """Like `word_ids` for documents that are tokens already, joined by a zero byte."""
    raw = data.tobytes()
    documents = [
        [token for token in raw[start:end].split(b"\0") if token] for start, end in _spans(cuts)
    ]
    _fill(documents, blob, offsets, table, n_stop, ids, id_cuts)


@kernel
def character_ids(
    codes: Array, cuts: Array, pages: Array, symbols: Array, words: bool, ids: Array, id_cuts: Array
) -> None:
    """Fill `ids` with the symbol of every code point, by a table of pages of 256.

    With `words`, a document is words with a space before and after each, and `EDGE` is put between
    two of them.

    Parameters
    ----------
    codes, cuts : uint32 array, int64 array
        Code points of all documents, and where each begins and ends.
    pages, symbols : uint16 array, int32 array
        The page of each block of 256 code points; the symbols of all pages.
    words : bool
    ids, id_cuts : int32 array, int64 array
        Filled, as by `word_ids`.
    """
    filled = 0
    for document, (start, end) in enumerate(_spans(cuts)):
        id_cuts[document] = filled
        before = 0
        for code in codes[start:end].tolist():
            if words and code == before == ord(" "):
                ids[filled] = EDGE
                filled += 1
            ids[filled] = symbols[int(pages[code >> 8]) * 256 + (code & 255)]
            filled += 1
            before = code
    id_cuts[-1] = filled


def _spans(cuts: Array) -> list[tuple[int, int]]:
    return list(zip(cuts.tolist(), cuts[1:].tolist(), strict=False))


def _fill(
    documents: list[list[bytes]], blob: Array, offsets: Array, table: Array, n_stop: int,
    ids: Array, id_cuts: Array,
) -> None:  # fmt: skip
    raw = blob.tobytes()
    filled = 0
    for document, words in enumerate(documents):
        id_cuts[document] = filled
        for word in words:
            symbol = symbol_of(word, raw, offsets, table)
            if symbol < 0 or symbol >= n_stop:
                ids[filled] = UNKNOWN if symbol < 0 else symbol - n_stop
                filled += 1
    id_cuts[-1] = filled
