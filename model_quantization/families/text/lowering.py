"""Vectorizers as arrays that kernels read: equal bit for bit to scikit-learn's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.families.family import Component
from model_quantization.families.forms import Text, text_step
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.text.names import HASHING, MAPPINGS, TFIDF, TRANSFORMER
from model_quantization.families.text.terms import read_terms
from model_quantization.kernels.arrays import narrowed_in_two
from model_quantization.kernels.text.documents import Analysis
from model_quantization.kernels.text.frequencies import Frequencies, idf_table

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step
    from model_quantization.kernels.text.weighting import Weighting

_DTYPES = {
    f"numpy:{name}": np.dtype(name).char for name in ("float64", "float32", "int64", "int32")
}
_DTYPES |= {"builtins:float": "d", "builtins:int": "l"}


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The step as arrays: every value that it gives is equal bit for bit to scikit-learn's."""
    if component.type == MAPPINGS:
        return _lower_mappings(component)
    if component.type == TRANSFORMER:
        return _lower_transformer(component)
    step = _hashing_step(component) if component.type == HASHING else _text_step(component)
    if step is None:
        return NotFast(
            "it calls functions of its own (tokenizer, preprocessor, analyzer), reads files, or "
            "makes a matrix of another type"
        )
    return _lowered(step, "terms of documents", (component.path,))


def _lower_mappings(component: Component) -> Lowered | NotFast:
    """Dicts to sparse rows, for a model behind; alone the vectorizer is scikit-learn's."""
    from model_quantization.kernels.tables.sparse_rows import SparseRows
    from model_quantization.kernels.text.mappings import Mappings

    separator = component.get("separator")
    if _dtype(component) != "d" or not component.get("sparse") or not isinstance(separator, str):
        return NotFast("it makes a matrix of another type")
    if "terms.split" not in component:
        return NotFast("its vocabulary is no list of names")
    from model_quantization.kernels.text.vocabulary import terms_of

    tree = read_terms(component.__getitem__, component.__contains__)
    names, columns = terms_of(tree, component["terms.split"]), component.get("terms.columns")
    places = np.arange(len(names)) if columns is None else np.asarray(columns)
    if not np.array_equal(np.sort(places), np.arange(len(names))):
        return NotFast("its columns are not those of its names")
    step = Mappings(dict(zip(names, places.tolist(), strict=True)), separator)
    rows = SparseRows(len(names), step.entries)
    return Lowered(
        {"transform": rows.matrix},
        by="entries of mappings",
        names=(component.path,),
        input="mappings",
        form=Text(rows),
    )


def _lowered(step: Step, by: str, names: tuple[str, ...]) -> Lowered:
    return Lowered({"transform": step.matrix}, by=by, names=names, input="text", form=Text(step))


def _lower_transformer(component: Component) -> Lowered | NotFast:
    weighting = _weighting(component)
    if weighting is None:
        return NotFast("its weights are of a type that is not known")

    def absorb(previous: Lowered) -> Lowered | None:
        step = text_step(previous.form)
        if step is None or (len(weighting.codes) not in (0, step.n_columns)):
            return None
        weighed = step.weighed(weighting)
        names = (*previous.names, component.path)
        return None if weighed is None else _lowered(weighed, f"{previous.by}, weighed", names)

    return Lowered(
        {"transform": _restored}, by="weights of terms", names=(component.path,), absorb=absorb
    )


def _restored(rows: Any) -> None:
    """None: the restored transformer answers for rows that are no text."""


def _weighting(component: Component) -> Weighting | None:
    from model_quantization.kernels.text.weighting import Weighting

    norm, sublinear = component.get("norm"), component.get("sublinear_tf")
    if norm not in ("l1", "l2", None) or not isinstance(sublinear, bool):
        return None
    if "idf.counts" in component:
        frequencies = Frequencies(
            component["idf.counts"],
            component["idf.total"],
            component["idf.corrections"],
            component["idf.dtype"],
        )
        codes, table = idf_table(frequencies)
        return Weighting(sublinear=sublinear, codes=codes, idf=table, norm=norm)
    idf = component.get("idf_")
    if idf is None:
        return Weighting(sublinear=sublinear, norm=norm)
    if not isinstance(idf, np.ndarray) or idf.dtype.char not in "df":
        return None
    table, codes = np.unique(idf, return_inverse=True)
    return Weighting(sublinear=sublinear, codes=narrowed_in_two(codes), idf=table, norm=norm)


def _analysis(component: Component) -> Analysis | None:
    """The settings of a vectorizer; None when it calls functions of its own or reads files."""
    get = component.get
    ngrams, stop = get("ngram_range"), get("stop_words")
    if stop == "english":
        stop = get("terms.stop_words", stop)
    if (
        get("input") != "content"
        or get("analyzer") not in ("word", "char", "char_wb")
        or get("tokenizer") is not None
        or get("preprocessor") is not None
        or get("strip_accents") not in ("ascii", "unicode", None)
        or not isinstance(get("token_pattern"), str)
        or not isinstance(get("lowercase"), bool)
        or not isinstance(ngrams, tuple | list)
        or len(ngrams) != 2
        or not all(isinstance(n, int) for n in ngrams)
        or not 1 <= ngrams[0] <= ngrams[1]
        or not (stop is None or isinstance(stop, list | tuple | set | frozenset))
        or not all(isinstance(word, str) for word in stop or ())
    ):
        return None
    analysis = Analysis(
        get("analyzer"),
        (ngrams[0], ngrams[1]),
        get("lowercase"),
        get("strip_accents"),
        get("token_pattern"),
        frozenset(stop or ()),
    )
    return analysis if analysis.analyzer != "word" or analysis.tokenizer() else None


def _dtype(component: Component) -> str | None:
    """The type of the matrix; None for those that are not treated (or not given as a class)."""
    name = component.get("dtype")
    return _DTYPES.get(name) if isinstance(name, str) else None


def _text_step(component: Component) -> Step | None:
    from model_quantization.kernels.text.steps import TextStep
    from model_quantization.kernels.text.term_counter import Reader, TermCounter

    analysis = _analysis(component)
    kind = _dtype(component)
    if analysis is None or kind is None or "terms.split" not in component:
        return None
    if component["terms.split"] != ("" if analysis.analyzer != "word" else " "):
        return None
    tree = read_terms(component.__getitem__, component.__contains__)
    columns = component.get("terms.columns")
    if columns is None:
        columns = np.zeros(0, dtype=np.int32)
    elif not np.array_equal(np.sort(columns), np.arange(tree.n_terms)):
        return None
    weighting = _plain(component, kind)
    if component.type == TFIDF:
        behind = component.get("_tfidf")
        found = _weighting(behind) if isinstance(behind, Component) else None
        if found is None or len(found.codes) not in (0, tree.n_terms):
            return None
        floats = "f" if kind == "f" else "d"
        weighting = replace(found, binary=weighting.binary, dtype=floats)
    counter = TermCounter(Reader.of(analysis, tree), tree, columns.astype(np.int32))
    return TextStep(counter, weighting)


def _plain(component: Component, kind: str) -> Weighting:
    from model_quantization.kernels.text.weighting import Weighting

    return Weighting(binary=component.get("binary") is True, dtype=kind)


def _hashing_step(component: Component) -> Step | None:
    from model_quantization.kernels.text.hash_counter import HashCounter
    from model_quantization.kernels.text.steps import TextStep

    analysis = _analysis(component)
    kind = _dtype(component)
    n_features, norm = component.get("n_features"), component.get("norm")
    if analysis is None or kind not in ("d", "f") or norm not in ("l1", "l2", None):
        return None
    if not isinstance(n_features, int) or not 1 <= n_features < 1 << 31:
        return None
    weighting = replace(_plain(component, kind), norm=norm)
    signed = component.get("alternate_sign") is True
    return TextStep(HashCounter(analysis, n_features, signed), weighting)
