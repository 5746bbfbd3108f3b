"""Counting the terms of a vocabulary in documents."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.text import documents as texts
from model_quantization.kernels.text import symbol_ids, term_counts, term_tree
from model_quantization.kernels.text.documents import Analysis
from model_quantization.kernels.text.steps import Counts, Documents
from model_quantization.kernels.text.vocabulary import TermTree
from model_quantization.values import Value, field

Ids: TypeAlias = tuple[Array, Array]

_NONE = np.zeros(0, dtype=np.int32)


class Reader(Value, frozen=True):
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
            return cls(analysis, _NONE, _NONE, _NONE, 0, *texts.code_point_table(raw))
        stop = [word.encode("utf-8", "surrogatepass") for word in sorted(analysis.stop_words)]
        ends = np.cumsum([0, *map(len, stop)])
        blob, offsets = tree.blob, tree.offsets
        if stop:
            blob = np.concatenate([np.frombuffer(b"".join(stop), dtype=np.uint8), blob])
            offsets = np.concatenate([ends[:-1], offsets + ends[-1]]).astype(np.int32)
        size = 1 << max(4, int(1.5 * len(offsets)).bit_length())
        table = np.zeros(size, dtype=np.uint32)
        term_tree.fill_table(blob, offsets, table)
        return cls(analysis, blob, offsets, table, len(stop), _NONE, _NONE)

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
                data, cuts, texts.word_bits(data, plain), analysis.shortest,
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


class TermCounter(Value, frozen=True):
    """Counts by a vocabulary. Implements `text.Counter`.

    Attributes
    ----------
    reader : Reader
    tree : TermTree
    columns : int32 array
        Column of each term by its canonical number; empty: the number itself.
    """

    reader: Reader
    tree: TermTree
    columns: Array = field(default_factory=lambda: _NONE)

    @property
    def n_columns(self) -> int:
        """See `text.Counter`."""
        return self.tree.n_terms

    @property
    def signed(self) -> bool:
        """Never."""
        return False

    def counts(self, documents: Documents) -> Counts | None:
        """See `text.Counter`."""
        found = self.reader.ids(documents)
        if found is None:
            return None
        tree, analysis = self.tree, self.reader.analysis
        least, most = analysis.ngrams
        room = len(found[0]) * (most - least + 1)
        indices = np.empty(room, dtype=np.int32)
        counts = np.empty(room, dtype=np.int64)
        rows = np.empty(len(documents) + 1, dtype=np.int64)
        nodes = (tree.first, tree.labels, tree.number, tree.n_symbols, self.columns)
        words = analysis.analyzer == "char_wb"
        longest = (term_counts.longest(found[1]) + 1) * (most - least + 1)
        scratch = (np.empty(longest, dtype=np.int32), np.empty(longest, dtype=np.int32))
        filled_in = (indices, counts, rows, *scratch)
        arguments: tuple[Any, ...] = (*found, least, most, words, *nodes, *filled_in)
        term_counts.count_terms(*arguments)
        filled = rows[-1]
        return indices[:filled], counts[:filled], rows
