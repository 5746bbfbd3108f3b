"""Calls of text kernels as real models make them, and how numba's kernels took the arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Earlier:
    """How numba's kernel of the same name is called with the arguments of ours.

    Attributes
    ----------
    module : str
        Where it is.
    scratch : int
        Last arguments before the results that it makes itself: ours are given them, and making
        them is part of the call that is timed.
    arguments : callable, optional
        Ours to its own.
    """

    module: str
    scratch: tuple[int, ...] = ()
    arguments: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None


def _listed(given: tuple[Any, ...]) -> tuple[Any, ...]:
    from model_quantization.kernels.text.term_values import entry_of

    indices, values, rows, starts, entries, layout, scale, out = given
    return indices, values, rows, starts, entries.view(entry_of(layout)), scale, out


def _with_entries(given: tuple[Any, ...], weights: int, size: int) -> tuple[Any, ...]:
    kind = np.dtype([("channel", f"u{given[size]}"), ("weight", given[weights].dtype)])
    return (*given[:size], *given[size + 1 : -1], given[-1].view(kind))


EARLIER = {
    "longest": Earlier("term_counts"),
    "largest": Earlier("term_values"),
    "weigh": Earlier("term_values"),
    "normalize_rows": Earlier("term_values"),
    "keep_above": Earlier("term_values"),
    "accumulate": Earlier("term_values"),
    "accumulate_listed": Earlier("term_values", arguments=_listed),
    "list_weights": Earlier("term_values", arguments=lambda given: _with_entries(given, 0, 1)),
    "list_codes": Earlier("term_values", arguments=lambda given: _with_entries(given, 1, 4)),
    "count_terms": Earlier("term_counts", scratch=(13, 14)),
    "count_hashed": Earlier("hash_counts", scratch=(10, 11, 12, 13)),
    "word_ids": Earlier("symbol_ids"),
    "token_ids": Earlier("symbol_ids"),
    "character_ids": Earlier("symbol_ids"),
    "join_symbols": Earlier("term_tree"),
    "mark": Earlier("term_tree"),
    "rank_symbols": Earlier("term_tree", scratch=(2,)),
    "place_children": Earlier("term_tree", scratch=(5, 6)),
    "number_terms": Earlier("term_tree", scratch=(4,)),
    "fill_table": Earlier("term_tree"),
}


def recorded_calls(kernels: dict[str, Any]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Calls by models of text, as (occasion, kernel, copies of the arguments before the call)."""
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.pipeline import make_pipeline

    plain = dict(kernels)
    largest: dict[tuple[str, str, str], tuple[int, tuple[Any, ...]]] = {}
    occasion = [""]

    def recording(name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            arrays = [each for each in given if isinstance(each, np.ndarray)]
            size = sum(each.nbytes for each in arrays)
            key = (name, occasion[0], "".join(each.dtype.char for each in arrays))
            if key not in largest or largest[key][0] < size:
                copies = (np.copy(x) if isinstance(x, np.ndarray) else x for x in given)
                largest[key] = (size, tuple(copies))
            return plain[name](*given)

        return call

    for name in EARLIER:
        kernels[name] = recording(name)  # before the modules are imported that ask for them
    from model_quantization.api.quantizer import ModelQuantizer
    from model_quantization.predictor.opening import load

    rng = np.random.default_rng(6)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(3, 10))) for _ in range(8000)]
    share = 1.0 / np.arange(1, len(words) + 1)
    texts = [" ".join(rng.choice(words, 30, p=share / share.sum())) for _ in range(2000)]
    labels = rng.integers(0, 4, len(texts))
    linear = LogisticRegression(max_iter=20)
    # Few labels for many words make sparse weights, which are listed.
    sparse = LogisticRegression(C=0.05, solver="liblinear", penalty="l1", max_iter=20)
    models = {
        "words": make_pipeline(TfidfVectorizer(sublinear_tf=True), linear),
        "pairs": make_pipeline(CountVectorizer(ngram_range=(1, 2)), linear),
        "stop words": make_pipeline(TfidfVectorizer(stop_words=words[:50], norm="l1"), linear),
        "own tokens": make_pipeline(TfidfVectorizer(token_pattern=r"[a-z]+"), linear),
        "characters": make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(2, 3)), linear),
        "inside words": make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32), linear
        ),
        "hashed": make_pipeline(HashingVectorizer(n_features=4096), linear),
        "hashed characters": make_pipeline(
            HashingVectorizer(analyzer="char_wb", ngram_range=(2, 3), n_features=4096), linear
        ),
        "bernoulli": make_pipeline(TfidfVectorizer(), BernoulliNB(binarize=0.05)),
        "sparse": make_pipeline(TfidfVectorizer(), sparse),
    }
    for label, model in models.items():
        target = labels > 1 if label == "sparse" else labels
        for bits in (8, 16):
            quantized, _ = ModelQuantizer(bit_depth=bits).quantize_model(model.fit(texts, target))
            occasion[0] = f"{label}, load"
            loaded = load(bytes(quantized.artifact.data))
            for count, said in ((1, "one document"), (1000, "1,000 documents")):
                occasion[0] = f"{label}, {said}"
                loaded.predict(texts[:count])
    kernels.update(plain)
    for (name, when, _), (_, given) in sorted(largest.items(), key=lambda item: item[0]):
        if when:
            yield when, name, given
