"""A vectorizer without a vocabulary: terms are hashed to columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ml.quantization.kernels import documents as texts
from ml.quantization.kernels import hash_counts as compiled
from ml.quantization.kernels.documents import Analysis
from ml.quantization.kernels.term_counts import NORMS
from ml.quantization.kernels.vocabulary import Array
from ml.quantization.kernels.weighting import (
    NO_ROWS,
    Adder,
    Documents,
    Scorer,
    Step,
    Weighting,
    kept_rows,
    make_scorer,
    scale_or_none,
    score_type,
)

_KINDS = {
    "word": compiled.WORDS,
    "char": compiled.CHARACTERS,
    "char_wb": compiled.INSIDE_WORDS,
}


@dataclass(frozen=True, slots=True)
class HashedStep:
    """A hashing vectorizer. Implements `weighting.Step`.

    Attributes
    ----------
    analysis : Analysis
    n_columns : int
    signed : bool
        Whether the sign of a hash is the sign of its count.
    weighting : Weighting
    kept : int32 array
        As in `text.TextStep`.
    """

    analysis: Analysis
    n_columns: int
    signed: bool
    weighting: Weighting
    kept: Array = field(default_factory=lambda: NO_ROWS)

    def weighed(self, weighting: Weighting) -> Step | None:
        """See `Step.weighed`; the logarithm of a negative count is not treated."""
        mine = self.weighting
        if not mine.plain or self.kept.size or weighting.sublinear:
            return None
        return replace(
            self, weighting=replace(weighting, binary=mine.binary, dtype=mine.float_dtype)
        )

    def select(self, columns: Array) -> Step | None:
        """See `Step.select`."""
        return replace(self, kept=kept_rows(self.kept, self.n_columns, columns))

    def matrix(self, documents: Documents) -> Any:
        """See `Step.matrix`."""
        from scipy.sparse import csr_matrix

        read = self._read(documents) if len(documents) else None
        if read is None or self.kept.size:
            return None
        data = read[0]
        least, most = self.analysis.ngrams
        room = (2 * len(data) + 1) * (most - least + 1)
        indices = np.empty(room, dtype=np.int32)
        counts = np.empty(room, dtype=np.int64)
        rows = np.empty(len(documents) + 1, dtype=np.int64)
        arguments: tuple[Any, ...] = (*read, *self._settings(), indices, counts, rows)
        compiled.count_hashed(*arguments)
        filled = int(rows[-1])
        kind = np.int32 if filled < 1 << 31 else np.int64
        indices = indices[:filled].astype(kind)
        values = self.weighting.values(counts[:filled], indices, rows)
        shape = (len(documents), self.n_columns)
        matrix = csr_matrix((values, indices, rows.astype(kind)), shape=shape)
        matrix.has_sorted_indices = True
        return matrix

    def scorer(
        self, weights: Array, scale: Array | None = None, *, threshold: float | None = None
    ) -> Scorer | None:
        """See `Step.scorer`."""
        return make_scorer(self, weights, scale, threshold)

    def adder(
        self, weights: Array, scale: Array | None, threshold: float | None
    ) -> tuple[Adder, str] | None:
        """See `Step.adder`."""
        kind = score_type(self.weighting, weights, scale)
        if kind is None:
            return None
        weighting = self.weighting
        settings = (
            *self._settings(),
            weighting.tf_table(0),
            weighting.codes,
            weighting.idf,
            NORMS[weighting.norm],
            self.kept,
            weights,
            scale_or_none(scale),
            np.nan if threshold is None else threshold,
        )

        def add(documents: Documents, out: Array) -> bool:
            read = self._read(documents)
            if read is None:
                return False
            arguments: tuple[Any, ...] = (*read, *settings, out)
            compiled.score_hashed(*arguments)
            return True

        return add, kind

    def _settings(self) -> tuple[Any, ...]:
        kind = _KINDS[self.analysis.analyzer]
        return (kind, *self.analysis.ngrams, self.n_columns, self.signed, self.weighting.binary)

    def _read(self, documents: Documents) -> tuple[Array, Array] | None:
        """UTF-8 of the documents, tokens with a space between; None for what cannot be that."""
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
            return None  # a lone surrogate has no UTF-8 to hash: scikit-learn has the right words
        data, cuts, _ = texts.as_bytes(whole)
        return data, cuts
