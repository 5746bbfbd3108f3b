"""From documents to term counts, matrices and scores, without a dict and without a matrix.

A `TextStep` is a fitted vectorizer as arrays. `matrix` gives what scikit-learn's `transform`
gives, bit for bit; `scorer` goes straight from documents to the scores of a linear model, bit for
bit what `transform(documents) @ weights` would be.

Every function of documents gives None for what it does not treat (tokens that hold a space): the
real vectorizer answers then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from ml.quantization.kernels import documents as texts
from ml.quantization.kernels import symbol_ids, term_tree
from ml.quantization.kernels import term_counts as compiled
from ml.quantization.kernels.documents import Analysis
from ml.quantization.kernels.vocabulary import Array, TermTree
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

Ids: TypeAlias = tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Reader:
    """Documents to symbols."""

    analysis: Analysis
    blob: Array
    offsets: Array
    table: Array
    n_stop: int
    pages: Array
    numbers: Array

    @classmethod
    def of(cls, analysis: Analysis, tree: TermTree) -> Reader:
        """The reader for the symbols of a tree: its words hashed, or its characters in a table."""
        if analysis.analyzer != "word":
            raw = tree.blob.tobytes().decode("utf-8", "surrogatepass")
            return cls(analysis, NO_ROWS, NO_ROWS, NO_ROWS, 0, *texts.code_point_table(raw))
        stop = [word.encode("utf-8", "surrogatepass") for word in sorted(analysis.stop_words)]
        ends = np.cumsum([0, *map(len, stop)])
        blob, offsets = tree.blob, tree.offsets
        if stop:
            blob = np.concatenate([np.frombuffer(b"".join(stop), dtype=np.uint8), blob])
            offsets = np.concatenate([ends[:-1], offsets + ends[-1]]).astype(np.int32)
        size = 1 << max(4, int(1.5 * len(offsets)).bit_length())
        table = np.zeros(size, dtype=np.uint32)
        term_tree.fill_table(blob, offsets, table)
        return cls(analysis, blob, offsets, table, len(stop), NO_ROWS, NO_ROWS)

    def ids(self, documents: Documents) -> Ids | None:
        """Symbols of all documents, and where each document's begin and end."""
        analysis = self.analysis
        documents = analysis.preprocess(documents)
        id_cuts = np.empty(len(documents) + 1, dtype=np.int64)
        if analysis.analyzer != "word":
            words = analysis.analyzer == "char_wb"
            shape = texts.padded_words if words else texts.single_spaced
            codes, cuts = texts.as_code_points([shape(document) for document in documents])
            ids = np.empty(2 * len(codes) if words else len(codes), dtype=np.int32)
            symbol_ids.character_ids(codes, cuts, self.pages, self.numbers, words, ids, id_cuts)
            return ids, id_cuts
        if analysis.shortest is not None:
            data, cuts, plain = texts.as_bytes(documents)
            ids = np.empty(len(data) // 2 + len(documents), dtype=np.int32)
            symbol_ids.word_ids(
                data, cuts, texts.word_bits(plain), analysis.shortest,
                self.blob, self.offsets, self.table, self.n_stop, ids, id_cuts,
            )  # fmt: skip
            return ids, id_cuts
        tokenize = analysis.tokenizer()
        if tokenize is None:
            return None
        joined = [texts.join_tokens(tokenize(text), texts.TOKEN_END) for text in documents]
        data, cuts, _ = texts.as_bytes([text for text in joined if text is not None])
        if len(cuts) != len(id_cuts):
            return None
        ids = np.empty(len(data) // 2 + len(documents), dtype=np.int32)
        symbol_ids.token_ids(
            data, cuts, self.blob, self.offsets, self.table, self.n_stop, ids, id_cuts
        )
        return ids, id_cuts


@dataclass(frozen=True, slots=True)
class TextStep:
    """A fitted vectorizer with a vocabulary. Implements `weighting.Step`.

    Attributes
    ----------
    reader : Reader
    tree : TermTree
    columns : int32 array
        Column of each term by its canonical number; empty: the number itself.
    n_columns : int
    weighting : Weighting
    kept : int32 array
        Row of the weights for each column (-1: it has none, but it counts in the norm); empty:
        the column itself.
    """

    reader: Reader
    tree: TermTree
    columns: Array
    n_columns: int
    weighting: Weighting
    kept: Array = field(default_factory=lambda: NO_ROWS)

    def weighed(self, weighting: Weighting) -> Step | None:
        """See `Step.weighed`; a step that has a weighting of its own cannot take another."""
        mine = self.weighting
        if not mine.plain or self.kept.size:
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

        found = self.reader.ids(documents) if len(documents) else None
        if found is None or self.kept.size:
            return None
        least, most = self.reader.analysis.ngrams
        room = len(found[0]) * (most - least + 1)
        indices = np.empty(room, dtype=np.int32)
        counts = np.empty(room, dtype=np.int64)
        rows = np.empty(len(documents) + 1, dtype=np.int64)
        arguments: tuple[Any, ...] = (*found, *self._search(), indices, counts, rows)
        compiled.count_terms(*arguments)
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
        weighting, reader = self.weighting, self.reader
        kind = score_type(weighting, weights, scale)
        if kind is None:
            return None
        front = (*self._search(), weighting.binary, weighting.sublinear)
        tail = (
            weighting.codes,
            weighting.idf,
            compiled.NORMS[weighting.norm],
            self.kept,
            weights,
            scale_or_none(scale),
            np.nan if threshold is None else threshold,
        )
        tf = weighting.tf_table(256)

        def add(documents: Documents, out: Array) -> bool:
            found = reader.ids(documents)
            if found is None:
                return False
            table, done = tf, 0
            while True:
                arguments: tuple[Any, ...] = (*found, *front, table, *tail, out, done)
                done = compiled.score_terms(*arguments)
                if done == len(documents):
                    return True
                # A term more often in one document than the table foresees.
                table = weighting.tf_table(len(found[0]) + 1)

        return add, kind

    def _search(self) -> tuple[Any, ...]:
        tree, analysis = self.tree, self.reader.analysis
        words = analysis.analyzer == "char_wb"
        nodes = (tree.first, tree.labels, tree.number, tree.n_symbols)
        return (*analysis.ngrams, words, *nodes, self.columns)


@dataclass(frozen=True, slots=True)
class TextUnion:
    """Several steps side by side over the same documents. Implements `weighting.Step`."""

    steps: tuple[Step, ...]

    @property
    def n_columns(self) -> int:
        """Columns of all steps together."""
        return sum(step.n_columns for step in self.steps)

    def matrix(self, documents: Documents) -> Any:
        """See `Step.matrix`."""
        from scipy.sparse import hstack

        parts: Sequence[Any] = [step.matrix(documents) for step in self.steps]
        return None if any(part is None for part in parts) else hstack(parts).tocsr()

    def scorer(
        self, weights: Array, scale: Array | None = None, *, threshold: float | None = None
    ) -> Scorer | None:
        """See `Step.scorer`."""
        return make_scorer(self, weights, scale, threshold)

    def adder(
        self, weights: Array, scale: Array | None, threshold: float | None
    ) -> tuple[Adder, str] | None:
        """See `Step.adder`; the steps add in turn, as their columns follow each other."""
        made = []
        start = 0
        for step in self.steps:
            made.append(step.adder(weights[start : start + step.n_columns], scale, threshold))
            start += step.n_columns
        adders = [each[0] for each in made if each is not None]
        kinds = {each[1] for each in made if each is not None}
        if len(adders) != len(made) or len(kinds) != 1:
            return None
        return lambda documents, out: all(add(documents, out) for add in adders), kinds.pop()

    def select(self, columns: Array) -> Step | None:
        """None: pruning one union is not worth the bookkeeping."""
        return None

    def weighed(self, weighting: Weighting) -> Step | None:
        """None: the norm would go over the rows of all steps."""
        return None
