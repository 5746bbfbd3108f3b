"""Text: vectorizers, which are mostly vocabulary, answered without a dict or a matrix."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.families.family import Example, Family, slots_for
from model_quantization.families.text.lowering import lower
from model_quantization.families.text.names import (
    COUNT,
    DROPPED,
    HASHING,
    TFIDF,
    TRANSFORMER,
    VOCABULARY,
)
from model_quantization.families.text.packing import pack, unpack
from model_quantization.families.text.probing import probe
from model_quantization.families.text.terms import CHILDREN, ENDS, STREAMS
from model_quantization.schemes.scheme import Role, Slot

_TERMS = tuple(f"terms.{name}" for name in (*STREAMS, CHILDREN, ENDS, "columns"))
_SLOTS = slots_for(_TERMS, Slot(Role.VOCABULARY)) | {
    "idf.counts": Slot(Role.COUNT),
    "idf.corrections": Slot(Role.STATISTIC),
    "idf_": Slot(Role.STATISTIC, note="idf that no document frequencies explain"),
}


def examples() -> Iterable[Example]:
    """One of each vectorizer, and settings that change the tokens."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import (
        CountVectorizer,
        HashingVectorizer,
        TfidfTransformer,
        TfidfVectorizer,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = [
        "The quick brown fox jumps over the lazy dog",
        "Der schnelle braune Fuchs springt \u00fcber den faulen Hund",
        "\u042a \u0431\u044b\u0441\u0442\u0440\u0430\u044f \u043b\u0438\u0441\u0430 2024",
        "quick quick quick, brown; a b c",
        "",
    ]
    for name, vectorizer in {
        "counts": CountVectorizer(),
        "bigrams": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        "stop words": TfidfVectorizer(stop_words="english", norm="l1", ngram_range=(1, 3)),
        "characters": CountVectorizer(analyzer="char", ngram_range=(2, 4), binary=True),
        "inside words": TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), dtype=np.float32),
        "hashed": HashingVectorizer(n_features=64),
        "most frequent": CountVectorizer(max_features=9, strip_accents="unicode"),
    }.items():
        yield Example(name, vectorizer.fit(rows), rows)
    counts = CountVectorizer().fit_transform(rows)
    cities = [{"city": "Oslo", "size": 3}, {"city": "Rome"}, {"size": 1.5, "port": "yes"}] * 3
    yield Example("mappings", DictVectorizer().fit(cities), cities)
    model = make_pipeline(DictVectorizer(), LogisticRegression())
    yield Example("mappings before a model", model.fit(cities, [0, 1, 2] * 3), cities)
    yield Example("transformer", TfidfTransformer().fit(counts), counts)


FAMILY = Family(
    name="text",
    types=frozenset({*VOCABULARY, TRANSFORMER, HASHING}),
    slots=_SLOTS,
    dropped=DROPPED,
    pack=pack,
    unpack=unpack,
    lower=lower,
    probe=probe,
    argument=dict.fromkeys((COUNT, TFIDF), "raw_documents"),
    examples=examples,
)
