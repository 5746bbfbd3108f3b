"""Text: vectorizers, whose bytes are their vocabulary, answered without a dict or a matrix.

The vocabulary is packed as a tree of symbols (see `kernels.vocabulary`) and idf as document
frequencies (`kernels.frequencies`). The order in which the terms were put into the dict
`vocabulary_` is not kept; nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.quantization.errors import SemanticError
from ml.quantization.families.family import Arrays, Component, Example, Family, Lowered
from ml.quantization.graph import (
    ArrayNode,
    DictNode,
    Node,
    NumbersNode,
    ObjectNode,
    PackedNode,
    SequenceNode,
    StringsNode,
    attributes,
)
from ml.quantization.kernels.documents import Analysis
from ml.quantization.kernels.frequencies import Frequencies, find_frequencies, idf_table
from ml.quantization.kernels.vocabulary import (
    Array,
    PackedTerms,
    Split,
    TermTree,
    grow_tree,
    pack_terms,
    terms_of,
)
from ml.quantization.scheme import Role, Slot

if TYPE_CHECKING:
    from ml.quantization.kernels.weighting import Step, Weighting

_MODULE = "sklearn.feature_extraction.text"
_COUNT = f"{_MODULE}:CountVectorizer"
_TFIDF = f"{_MODULE}:TfidfVectorizer"
_TRANSFORMER = f"{_MODULE}:TfidfTransformer"
_HASHING = f"{_MODULE}:HashingVectorizer"
_VOCABULARY = (_COUNT, _TFIDF)

_STREAMS = ("prefix", "length", "data", "popularity", "children", "gaps")
_RESIDUE = {
    "stop_words_": "terms that were left out of the vocabulary; no method reads it",
    "_stop_words_id": "address of the stop words in the process that trained the model",
}
_SLOTS = {f"terms.{name}": Slot(Role.VOCABULARY) for name in (*_STREAMS, "ends", "columns")} | {
    "idf.counts": Slot(Role.COUNT),
    "idf.corrections": Slot(Role.STATISTIC),
    "idf_": Slot(Role.STATISTIC, note="idf that no document frequencies explain"),
}
_DTYPES = {f"numpy:{name}": np.dtype(name).char for name in ("float64", "float32", "int64", "int32")}


# Packing ----------------------------------------------------------------------------------


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | None:
    """The vectorizer with its vocabulary, or the transformer with its idf, in compact parts."""
    held = attributes(node)
    if node.args or node.entries is not None or not held or node.type == _HASHING:
        return None
    held = {name: value for name, value in held.items() if name not in _RESIDUE}
    if node.type == _TRANSFORMER:
        parts = _pack_idf(held, arrays)
    else:
        parts = _pack_vocabulary(held, arrays)
    return None if parts is None else PackedNode(FAMILY.name, node.type, tuple(parts.items()))


def _pack_idf(held: dict[str, Node], arrays: Arrays) -> dict[str, Node] | None:
    idf = held.get("idf_")
    found = find_frequencies(arrays[idf.array]) if isinstance(idf, ArrayNode) else None
    if found is None:
        return None
    parts = {name: value for name, value in held.items() if name != "idf_"}
    return parts | {
        "idf.counts": ArrayNode(arrays.add(found.counts)),
        "idf.total": found.total,
        "idf.corrections": ArrayNode(arrays.add(found.corrections)),
        "idf.dtype": found.dtype,
    }


def _pack_vocabulary(held: dict[str, Node], arrays: Arrays) -> dict[str, Node] | None:
    mapping = _read_mapping(held.get("vocabulary_"), arrays)
    if mapping is None:
        return None
    terms, columns, item = mapping
    split: Split = "" if held.get("analyzer") in ("char", "char_wb") else " "
    packed = pack_terms(terms, split)
    if packed is None:
        split = None
        packed = pack_terms(terms, split)
    if packed is None:
        return None
    streams, numbers = packed
    parts: dict[str, Node] = {name: n for name, n in held.items() if name != "vocabulary_"}
    parts |= {f"terms.{n}": ArrayNode(arrays.add(getattr(streams, n))) for n in _STREAMS}
    if streams.ends.size:
        parts["terms.ends"] = ArrayNode(arrays.add(streams.ends))
    by_number = np.empty_like(columns)
    by_number[numbers] = columns
    if not np.array_equal(by_number, np.arange(len(columns))):
        parts["terms.columns"] = ArrayNode(arrays.add(by_number))
    parts |= {"terms.split": split, "terms.item": item}
    given = _given(held.get("vocabulary"), terms, columns, item, arrays)
    if given:
        parts |= {"vocabulary": None, "terms.given": given}
    if held.get("stop_words") == "english":
        parts["terms.stop_words"] = _english_stop_words(arrays)
    return parts


def _read_mapping(node: Node, arrays: Arrays) -> tuple[list[str], Array, str] | None:
    """Terms, columns (int64) and the type of the columns, of a dict of strings to integers."""
    if not isinstance(node, DictNode) or node.id is not None:
        return None
    terms = _read_strings(node.keys, arrays)
    if not terms:
        return None
    values = node.values
    if isinstance(values, NumbersNode):
        array = arrays[values.array]
        fits = array.dtype.kind == "i" and array.dtype.itemsize >= 4 and len(array) == len(terms)
        return (terms, array.astype(np.int64), values.item) if fits else None
    if isinstance(values, SequenceNode) and all(type(value) is int for value in values.items):
        columns = [value for value in values.items if isinstance(value, int)]
        if all(abs(column) < 1 << 62 for column in columns):
            return terms, np.array(columns, dtype=np.int64), "int"
    return None


def _read_strings(node: Node, arrays: Arrays) -> list[str]:
    """The strings of a node; empty when it holds anything else."""
    if isinstance(node, StringsNode):
        raw = arrays[node.blob].tobytes()
        ends = np.cumsum(arrays[node.lengths], dtype=np.int64).tolist()
        starts = [0, *ends[:-1]]
        return [
            raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)
        ]
    if isinstance(node, SequenceNode) and all(isinstance(item, str) for item in node.items):
        return [item for item in node.items if isinstance(item, str)]
    return []


def _given(node: Node, terms: list[str], columns: Array, item: str, arrays: Arrays) -> str:
    """In which container the constructor got this same vocabulary; empty when it did not."""
    if getattr(node, "id", None) is not None:
        return ""
    if isinstance(node, DictNode):
        same = _read_mapping(node, arrays)
        if same is None or same[2] != item or len(same[0]) != len(terms):
            return ""
        mapping = dict(zip(terms, columns.tolist(), strict=True))
        return "dict" if mapping == dict(zip(same[0], same[1].tolist(), strict=True)) else ""
    if not isinstance(node, StringsNode | SequenceNode) or item != "int":
        return ""
    names = _read_strings(node, arrays)
    order = np.argsort(columns, kind="stable")
    if node.kind == "array" or names != [terms[position] for position in order]:
        return ""
    return node.kind


def _english_stop_words(arrays: Arrays) -> Node:
    """The words that `stop_words="english"` stands for, for a predictor without scikit-learn."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return _strings_node(sorted(ENGLISH_STOP_WORDS), "list", arrays)


def _strings_node(strings: list[str], kind: Any, arrays: Arrays) -> StringsNode:
    encoded = [text.encode("utf-8", "surrogatepass") for text in strings]
    lengths = np.fromiter(map(len, encoded), dtype=np.uint32, count=len(encoded))
    blob = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return StringsNode(kind, arrays.add(blob), arrays.add(lengths))


# Unpacking --------------------------------------------------------------------------------


def unpack(packed: PackedNode, arrays: Arrays) -> Node:
    """The estimator with `vocabulary_` as a dict, or `idf_` as an array."""
    parts = dict(packed.parts)
    own = {name: value for name, value in parts.items() if "." not in name}
    if packed.type == _TRANSFORMER:
        codes, table = idf_table(_frequencies(parts, arrays))
        own["idf_"] = ArrayNode(arrays.add(table[codes]))
    else:
        own |= _unpack_vocabulary(parts, arrays)
    keys = SequenceNode("list", tuple(own))
    return ObjectNode(
        packed.type, (), DictNode(keys, SequenceNode("list", tuple(own.values()))), id=packed.id
    )


def _frequencies(parts: dict[str, Node], arrays: Arrays) -> Frequencies:
    total, dtype = parts.get("idf.total"), parts.get("idf.dtype")
    return Frequencies(
        _array(parts, "idf.counts", arrays),
        total,  # type: ignore[arg-type]  # checked by idf_table
        _array(parts, "idf.corrections", arrays),
        dtype,  # type: ignore[arg-type]
    )


def _array(parts: dict[str, Node], name: str, arrays: Arrays) -> Array:
    node = parts.get(name)
    if not isinstance(node, ArrayNode):
        raise SemanticError("a part is missing or no array", where=name, expected="an array")
    return arrays[node.array]


def _unpack_vocabulary(parts: dict[str, Node], arrays: Arrays) -> dict[str, Node]:
    streams = {name: _array(parts, f"terms.{name}", arrays) for name in _STREAMS}
    ends = np.zeros(0, dtype=np.bool_)
    if "terms.ends" in parts:
        ends = _array(parts, "terms.ends", arrays)
    tree = grow_tree(PackedTerms(**streams, ends=ends))
    split, item = parts.get("terms.split"), parts.get("terms.item")
    if split not in (" ", "", None):
        raise SemanticError("an unknown joint", where="terms.split", got=repr(split)[:40])
    if item not in ("int", "<i8", "<i4"):
        raise SemanticError("an unknown type of columns", where="terms.item", got=repr(item)[:40])
    terms = terms_of(tree, split)  # type: ignore[arg-type]
    columns = np.arange(len(terms), dtype=np.int64)
    if "terms.columns" in parts:
        columns = _array(parts, "terms.columns", arrays)
        if columns.shape != (len(terms),) or columns.dtype.kind not in "iu":
            raise SemanticError(
                "one column for each term is needed", where="terms.columns", got=str(columns.shape)
            )
        order = np.argsort(columns, kind="stable")
        terms = [terms[position] for position in order.tolist()]
        columns = columns[order].astype(np.int64)
    numbers = columns if item == "int" else columns.astype(item)
    names = _strings_node(terms, "list", arrays)
    values = NumbersNode("list", str(item), arrays.add(numbers))
    mapping = DictNode(names, values)
    given: Any = parts.get("terms.given")
    if given is None:
        return {"vocabulary_": mapping}
    if given == "dict":
        return {"vocabulary_": mapping, "vocabulary": DictNode(names, values)}
    if given in ("list", "tuple"):
        return {"vocabulary_": mapping, "vocabulary": replace(names, kind=given)}
    if given in ("set", "frozenset"):
        return {"vocabulary_": mapping, "vocabulary": SequenceNode(given, tuple(terms))}
    raise SemanticError("an unknown container", where="terms.given", got=repr(given)[:40])


# Lowering ---------------------------------------------------------------------------------


def lower(component: Component, exact: bool) -> Lowered | None:
    """The step as arrays: every value that it gives is equal bit for bit to scikit-learn's."""
    if component.type == _TRANSFORMER:
        return _lower_transformer(component)
    step = _hashing_step(component) if component.type == _HASHING else _text_step(component)
    return None if step is None else _lowered(step, (component.path,))


def _lowered(step: Step, names: tuple[str, ...]) -> Lowered:
    return Lowered(methods={"transform": step.matrix}, input="text", names=names, text=step)


def _lower_transformer(component: Component) -> Lowered | None:
    weighting = _weighting(component)
    if weighting is None:
        return None

    def absorb(previous: Lowered) -> Lowered | None:
        step = previous.text
        if step is None or (len(weighting.codes) not in (0, step.n_columns)):
            return None
        weighed = step.weighed(weighting)
        names = (*previous.names, component.path)
        return None if weighed is None else _lowered(weighed, names)

    return Lowered(methods={"transform": _restored}, absorb=absorb, names=(component.path,))


def _restored(rows: Any) -> None:
    """Nothing: rows that are no text are the restored transformer's business."""


def _weighting(component: Component) -> Weighting | None:
    from ml.quantization.kernels.weighting import Weighting

    norm, sublinear = component.get("norm"), component.get("sublinear_tf")
    if norm not in ("l1", "l2", "max", None) or not isinstance(sublinear, bool):
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
    return Weighting(sublinear=sublinear, codes=codes.astype(np.uint32), idf=table, norm=norm)


def _analysis(component: Component) -> Analysis | None:
    """The settings of a vectorizer; None when it calls functions of its own or reads files."""
    get = component.get
    ngrams, stop = get("ngram_range"), get("stop_words")
    if stop == "english":
        stop = get("terms.stop_words") or get("english")
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


def _text_step(component: Component) -> Step | None:
    from ml.quantization.kernels.text import Reader, TextStep

    analysis = _analysis(component)
    kind = _DTYPES.get(component.get("dtype"))
    if analysis is None or kind is None or "terms.split" not in component:
        return None
    if component["terms.split"] != ("" if analysis.analyzer != "word" else " "):
        return None
    tree = _tree(component)
    columns = component.get("terms.columns")
    if columns is None:
        columns = np.zeros(0, dtype=np.int32)
    elif not np.array_equal(np.sort(columns), np.arange(tree.n_terms)):
        return None
    weighting = _plain(component, kind)
    if component.type == _TFIDF:
        behind = component.get("_tfidf")
        found = _weighting(behind) if isinstance(behind, Component) else None
        if found is None or len(found.codes) not in (0, tree.n_terms):
            return None
        floats = "f" if kind == "f" else "d"
        weighting = replace(found, binary=weighting.binary, dtype=floats)
    reader = Reader.of(analysis, tree)
    return TextStep(reader, tree, columns.astype(np.int32), tree.n_terms, weighting)


def _plain(component: Component, kind: str) -> Weighting:
    from ml.quantization.kernels.weighting import Weighting

    return Weighting(binary=component.get("binary") is True, dtype=kind)


def _tree(component: Component) -> TermTree:
    streams = {name: component[f"terms.{name}"] for name in _STREAMS}
    ends = component.get("terms.ends")
    return grow_tree(
        PackedTerms(**streams, ends=np.zeros(0, dtype=np.bool_) if ends is None else ends)
    )


def _hashing_step(component: Component) -> Step | None:
    from ml.quantization.kernels.hashed_text import HashedStep

    analysis = _analysis(component)
    kind = _DTYPES.get(component.get("dtype"))
    n_features, norm = component.get("n_features"), component.get("norm")
    if analysis is None or kind not in ("d", "f") or norm not in ("l1", "l2", None):
        return None
    if not isinstance(n_features, int) or not 1 <= n_features < 1 << 31:
        return None
    weighting = replace(_plain(component, kind), norm=norm)
    return HashedStep(analysis, n_features, component.get("alternate_sign") is True, weighting)


def examples() -> Iterable[Example]:
    """One of each vectorizer, and settings that change the tokens."""
    from sklearn.feature_extraction.text import (
        CountVectorizer,
        HashingVectorizer,
        TfidfTransformer,
        TfidfVectorizer,
    )

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
    yield Example("transformer", TfidfTransformer().fit(counts), counts)


FAMILY = Family(
    name="text",
    types=frozenset({*_VOCABULARY, _TRANSFORMER, _HASHING}),
    slots=_SLOTS,
    residue=_RESIDUE,
    pack=pack,
    unpack=unpack,
    lower=lower,
    examples=examples,
)
