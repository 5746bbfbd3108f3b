r"""Documents as scikit-learn's analyzers see them, as arrays of bytes, code points or tokens.

Lower-casing, accents, white space and token patterns are Python's own (`str`, `re`,
`unicodedata`), so that the result is the same for all of Unicode, whichever version of it the
interpreter has. Only the default kind of pattern (runs of ``\w``) is left to a kernel, with a
table of ``\w`` that asks the interpreter what `re` asks it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value

Analyzer: TypeAlias = Literal["word", "char", "char_wb"]

# Patterns that match exactly the maximal runs of at least so many word characters.
WORD_RUNS = {
    prefix + pattern: least
    for prefix in ("", "(?u)")
    for pattern, least in (
        (r"\b\w\w+\b", 2),
        (r"\b\w+\b", 1),
        (r"\w+", 1),
        (r"\b\w\w\w+\b", 3),
        (r"\b\w{2,}\b", 2),
        (r"\b\w{3,}\b", 3),
    )
}
_WHITE_SPACES = re.compile(r"\s\s+")
TOKEN_END = "\0"


class Analysis(Value, frozen=True):
    """How a vectorizer takes documents apart: its settings, as scikit-learn names them.

    Attributes
    ----------
    analyzer : {"word", "char", "char_wb"}
    ngrams : (int, int)
        Least and most symbols of a term.
    lowercase : bool
    strip_accents : {"ascii", "unicode", None}
    token_pattern : str
        Of the word analyzer.
    stop_words : frozenset of str
        Tokens that the word analyzer leaves out.
    """

    analyzer: Analyzer = "word"
    ngrams: tuple[int, int] = (1, 1)
    lowercase: bool = True
    strip_accents: Literal["ascii", "unicode"] | None = None
    token_pattern: str = r"(?u)\b\w\w+\b"
    stop_words: frozenset[str] = frozenset()

    @property
    def shortest(self) -> int | None:
        """The least length of a run of word characters, if that is all a token is."""
        return WORD_RUNS.get(self.token_pattern)

    def preprocess(self, documents: Sequence[str]) -> Sequence[str]:
        """The documents in lower case and without accents, as asked for."""
        if self.lowercase:
            documents = [document.lower() for document in documents]
        if self.strip_accents == "ascii":
            return [_ascii(document) for document in documents]
        if self.strip_accents == "unicode":
            return [_without_accents(document) for document in documents]
        return documents

    def tokenizer(self) -> Callable[[str], list[str]] | None:
        """What splits a document into tokens, or None for a pattern that `re` has no answer to."""
        try:
            pattern = re.compile(self.token_pattern)
        except re.error:
            return None
        return pattern.findall if pattern.groups <= 1 else None


def _ascii(document: str) -> str:
    if document.isascii():
        return document
    return unicodedata.normalize("NFKD", document).encode("ascii", "ignore").decode("ascii")


def _without_accents(document: str) -> str:
    if document.isascii():
        return document
    plain = unicodedata.normalize("NFKD", document)
    return "".join([c for c in plain if not unicodedata.combining(c)])


def single_spaced(document: str) -> str:
    """The document with every run of two or more white space characters as one space."""
    return _WHITE_SPACES.sub(" ", document)


def padded_words(document: str) -> str:
    """The words of the document, each with a space before and one after."""
    words = document.split()
    return f" {'  '.join(words)} " if words else ""


def as_bytes(documents: Sequence[str]) -> tuple[Array, Array, bool]:
    """UTF-8 of all documents (surrogates kept), where each begins and ends, and whether ASCII."""
    if len(documents) == 1:  # one message is the case that must be quick
        text = documents[0]
        raw = text.encode("utf-8", "surrogatepass")
        cuts = np.zeros(2, dtype=np.int64)
        cuts[1] = len(raw)
        return np.frombuffer(raw, dtype=np.uint8), cuts, text.isascii()
    encoded = [document.encode("utf-8", "surrogatepass") for document in documents]
    raw = b"".join(encoded)
    return np.frombuffer(raw, dtype=np.uint8), _cuts(map(len, encoded), len(encoded)), raw.isascii()


def as_code_points(documents: Sequence[str]) -> tuple[Array, Array]:
    """Code points of all documents, and where each begins and ends."""
    raw = "".join(documents).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(raw, dtype="<u4"), _cuts(map(len, documents), len(documents))


def _cuts(lengths: Iterable[int], count: int) -> Array:
    cuts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.fromiter(lengths, dtype=np.int64, count=count), out=cuts[1:])
    return cuts


def join_tokens(tokens: list[str], joint: str) -> str | None:
    """The tokens in one string; None when a token is empty or holds a space or the joint itself."""
    text = joint.join(tokens)
    joints = len(tokens) - 1 if tokens else 0
    if text.count(joint) != joints or (joint != " " and " " in text) or "" in tokens:
        return None
    return text


def word_bits(data: Array, plain: bool) -> Array:
    r"""One bit per code point, the lowest first: whether ``\w`` matches it.

    Parameters
    ----------
    data : uint8 array
        UTF-8 of what is to be looked up: the table reaches as far as that needs.
    plain : bool
        Whether `data` is ASCII.

    Returns
    -------
    uint8 array of shape (16,), (8192,) or (139264,)
    """
    if plain:
        return _word_bits(0x80)
    return _word_bits(0x10000 if data.max() < 0xF0 else 0x110000)


@cache
def _word_bits(top: int) -> Array:
    # What `re` asks of a character, too: it is the underscore, or `str.isalnum` says so.
    points = np.arange(top, dtype="<u4")
    flags = np.strings.isalnum(points.view("<U1"))
    flags[ord("_")] = True
    bits = np.packbits(flags, bitorder="little")
    bits.flags.writeable = False
    return bits


def code_point_table(symbols: Sequence[str]) -> tuple[Array, Array]:
    """A table from code points to the numbers of one-character symbols, in pages of 256.

    Returns
    -------
    pages : uint16 array of shape (4352,)
        The page of each block of 256 code points; page 0 is empty.
    numbers : int32 array of shape (n_pages * 256,)
        The symbol's number, or -1.
    """
    codes = np.fromiter(map(ord, symbols), dtype=np.int64, count=len(symbols))
    blocks = np.unique(codes >> 8)
    pages = np.zeros(0x1100, dtype=np.uint16)
    pages[blocks] = np.arange(1, len(blocks) + 1)
    numbers = np.full(256 * (len(blocks) + 1), -1, dtype=np.int32)
    numbers[pages[codes >> 8].astype(np.int64) * 256 + (codes & 255)] = np.arange(len(codes))
    return pages, numbers
