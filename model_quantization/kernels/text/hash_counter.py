"""Counting terms without a vocabulary: every n-gram is hashed to a column."""

from __future__ import annotations

import numpy as np

from model_quantization.kernels.text import documents as texts
from model_quantization.kernels.text import hash_counts
from model_quantization.kernels.text.documents import Analysis
from model_quantization.kernels.text.steps import Counts, Documents
from model_quantization.kernels.text.term_counts import longest
from model_quantization.values import Value

_KINDS = {
    "word": hash_counts.WORDS,
    "char": hash_counts.CHARACTERS,
    "char_wb": hash_counts.INSIDE_WORDS,
}


class HashCounter(Value, frozen=True):
    """Counts by hashing. Implements `text.Counter`.

    Attributes
    ----------
    analysis : Analysis
    n_columns : int
    signed : bool
        Whether the sign of a hash is the sign of its count.
    """

    analysis: Analysis
    n_columns: int
    signed: bool

    def counts(self, documents: Documents) -> Counts | None:
        """See `text.Counter`."""
        ready = self._joined(documents)
        if ready is None:
            return None
        data, cuts, _ = texts.as_bytes(ready)
        kind = _KINDS[self.analysis.analyzer]
        least, most = self.analysis.ngrams
        room = (2 * len(data) + 1) * (most - least + 1)
        indices = np.empty(room, dtype=np.int32)
        counts = np.empty(room, dtype=np.int64)
        rows = np.empty(len(documents) + 1, dtype=np.int64)
        symbols = longest(cuts) * (2 if kind == hash_counts.INSIDE_WORDS else 1) + 1
        places = (np.empty(symbols, dtype=np.int64), np.empty(symbols, dtype=np.int64))
        keys = np.empty((2, symbols * (most - least + 1)), dtype=np.int64)
        hash_counts.count_hashed(
            data, cuts, kind, least, most, self.n_columns, self.signed, indices, counts, rows,
            *places, *keys,
        )  # fmt: skip
        filled = rows[-1]
        return indices[:filled], counts[:filled], rows

    def _joined(self, documents: Documents) -> list[str] | None:
        """The documents, tokens with one space between; None for what cannot be that."""
        analysis = self.analysis
        documents = analysis.preprocess(documents)
        if analysis.analyzer == "char":
            ready: list[str | None] = [texts.single_spaced(text) for text in documents]
        elif analysis.analyzer == "char_wb":
            ready = [texts.padded_words(text) for text in documents]
        else:
            tokenize = analysis.tokenizer()
            if tokenize is None:
                return None
            stop = analysis.stop_words
            tokens = [tokenize(text) for text in documents]
            if stop:
                tokens = [[token for token in each if token not in stop] for each in tokens]
            ready = [texts.join_tokens(each, " ") for each in tokens]
        whole = [text for text in ready if text is not None]
        if len(whole) != len(documents):
            return None
        try:
            "".join(whole).encode("utf-8")
        except UnicodeEncodeError:
            return None  # a lone surrogate has no UTF-8 to hash: scikit-learn raises its own error
        return whole
