"""Vocabularies and idf in compact parts, and back.

The order in which the terms were put into the dict `vocabulary_` is not kept; nothing depends on
it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.families.family import Arrays
from model_quantization.families.text.names import HASHING, TRANSFORMER, VOCABULARY
from model_quantization.families.text.terms import read_terms, stored_terms
from model_quantization.graph.nodes import (
    ArrayNode,
    DictNode,
    Node,
    NumbersNode,
    ObjectNode,
    PackedNode,
    SequenceNode,
    StringsNode,
    attributes,
    unpacked,
)
from model_quantization.kernels.text.frequencies import Frequencies, find_frequencies, idf_table
from model_quantization.kernels.text.term_packing import pack_terms
from model_quantization.kernels.text.vocabulary import Split, terms_of


def pack(node: ObjectNode, arrays: Arrays) -> PackedNode | None:
    """The vectorizer with its vocabulary, or the transformer with its idf, in compact parts."""
    state = attributes(node)
    if node.args or node.entries is not None or not state:
        return None
    parts: dict[str, Node] | None
    if node.type == TRANSFORMER:
        parts = _pack_idf(state, arrays)
    elif node.type == HASHING:
        english = state.get("stop_words") == "english"
        parts = state | {"terms.stop_words": _english_stop_words(arrays)} if english else None
    else:
        parts = _pack_vocabulary(state, arrays)
    return None if parts is None else PackedNode("text", node.type, tuple(parts.items()))


def _pack_idf(state: dict[str, Node], arrays: Arrays) -> dict[str, Node] | None:
    idf = state.get("idf_")
    found = find_frequencies(arrays[idf.array]) if isinstance(idf, ArrayNode) else None
    if found is None:
        return None
    parts = {name: value for name, value in state.items() if name != "idf_"}
    return parts | {
        "idf.counts": ArrayNode(arrays.add(found.counts)),
        "idf.total": found.total,
        "idf.corrections": ArrayNode(arrays.add(found.corrections)),
        "idf.dtype": found.dtype,
    }


def _pack_vocabulary(state: dict[str, Node], arrays: Arrays) -> dict[str, Node] | None:
    mapping = _read_mapping(state.get("vocabulary_"), arrays)
    if mapping is None:
        return None
    terms, columns, item = mapping
    split: Split = "" if state.get("analyzer") in ("char", "char_wb") else " "
    if "analyzer" not in state:
        split = None  # names of features
    packed = vocabulary_parts(terms, columns, split, item, arrays)
    if packed is None:
        return None
    parts: dict[str, Node] = {name: n for name, n in state.items() if name != "vocabulary_"}
    parts |= packed
    for name in ("vocabulary", "feature_names_"):  # attributes that repeat the vocabulary
        kind = _given(state.get(name), terms, columns, item, arrays)
        if kind:
            parts |= {name: None, f"terms.{name}": kind}
    if state.get("stop_words") == "english":
        parts["terms.stop_words"] = _english_stop_words(arrays)
    return parts


def vocabulary_parts(
    terms: list[str], columns: Array, split: Node, item: str, arrays: Arrays
) -> dict[str, Node] | None:
    """The parts that hold these terms, each with its column; None where they cannot be packed.

    Parameters
    ----------
    terms : list of str
    columns : int64, shape (n_terms,)
    split : str or None
        The joint of a term's symbols that is tried first.
    item : str
        Type of the columns in the fitted vectorizer.
    """
    joint: Split = split  # type: ignore[assignment]  # one of the three, as callers know
    packed = pack_terms(terms, joint)
    if packed is None:
        joint = None
        packed = pack_terms(terms, joint)
    if packed is None:
        return None
    streams, numbers = packed
    parts: dict[str, Node] = {}
    for name, stream in stored_terms(streams).items():
        parts[name] = ArrayNode(arrays.add(stream))
    by_number = np.empty_like(columns)
    by_number[numbers] = columns
    if not np.array_equal(by_number, np.arange(len(columns))):
        parts["terms.columns"] = ArrayNode(arrays.add(by_number))
    return parts | {"terms.split": joint, "terms.item": item}


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
    if packed.type == TRANSFORMER:
        codes, table = idf_table(frequencies_of(parts, arrays))
        own["idf_"] = ArrayNode(arrays.add(table[codes]))
    elif packed.type in VOCABULARY:
        own |= _unpack_vocabulary(parts, arrays)
    return unpacked(packed, own)


def frequencies_of(parts: dict[str, Node], arrays: Arrays) -> Frequencies:
    """The document frequencies that the parts of a transformer hold."""
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
    tree = read_terms(lambda name: _array(parts, name, arrays), parts.__contains__)
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
                "another number of columns than of terms",
                where="terms.columns",
                got=str(columns.shape),
            )
        order = np.argsort(columns, kind="stable")
        terms = [terms[position] for position in order.tolist()]
        columns = columns[order].astype(np.int64)
    numbers = columns if item == "int" else columns.astype(item)
    names = _strings_node(terms, "list", arrays)
    values = NumbersNode("list", str(item), arrays.add(numbers))
    found: dict[str, Node] = {"vocabulary_": DictNode(names, values)}
    for name in ("vocabulary", "feature_names_"):
        kind: Any = parts.get(f"terms.{name}")
        if kind == "dict":
            found[name] = DictNode(names, values)
        elif kind in ("list", "tuple"):
            found[name] = replace(names, kind=kind)
        elif kind in ("set", "frozenset"):
            found[name] = SequenceNode(kind, tuple(terms))
        elif kind is not None:
            raise SemanticError("an unknown container", where=f"terms.{name}", got=repr(kind)[:40])
    return found
