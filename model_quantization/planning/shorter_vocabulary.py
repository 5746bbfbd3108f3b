"""A vocabulary with fewer terms, and the linear model behind it without their weights.

Only the two together can lose terms: what a vectorizer gives is what the model takes. A term counts
by what its weights can move: the sum of their squares times the term's document frequency times the
square of its idf. Documents are not needed for that. A row that is normalised is so over the terms
that are left, as scikit-learn does with a vocabulary that never held the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.text.names import COUNT, TFIDF, TRANSFORMER
from model_quantization.families.text.packing import frequencies_of, vocabulary_parts
from model_quantization.families.text.terms import CHILDREN, ENDS, STREAMS, read_terms
from model_quantization.graph.nodes import (
    ArrayNode,
    Node,
    ObjectNode,
    PackedNode,
    SequenceNode,
    attributes,
)
from model_quantization.graph.traversal import with_attributes
from model_quantization.kernels.text.frequencies import Frequencies, idf_table
from model_quantization.kernels.text.vocabulary import terms_of

VOCABULARY = "vocabulary"
FEWEST_TERMS = 200  # a smaller vocabulary is not shortened
_SHARES = (70, 50, 40, 30, 20, 10)
_STEPS = "steps"
_WEIGHTS = "coef_"
_WIDTH = "n_features_in_"
_NORM_EXPONENT = 0.12


@dataclass(frozen=True, slots=True)
class _Chain:
    """Steps that take terms: names in the pipeline, and the nodes."""

    vectorizer: PackedNode
    weighting: PackedNode | None  # after a plain counter
    model: ObjectNode


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """Return the ladder of a pipeline's vocabulary; none where no linear model is behind it."""
    steps = _steps(node)
    chain = None if steps is None else _chain(steps, arrays)
    if chain is None:
        return ()
    return (Ladder(VOCABULARY, tuple(f"{share}% of the terms" for share in _SHARES)),)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """Return the pipeline with the share of terms that the level names."""
    steps = _steps(node)
    assert steps is not None and isinstance(node, ObjectNode)
    chain = _chain(steps, arrays)
    assert chain is not None, "`options` offers nothing for other steps"
    share = int(levels[VOCABULARY].partition("%")[0]) / 100
    weights = _weights(chain.model, arrays)
    spread = _spread(chain, weights.shape[1], arrays)
    importance = np.square(weights).sum(axis=0) * spread
    count = max(1, round(share * importance.size))
    order = np.argsort(-importance, kind="stable")[:count]
    keep = np.zeros(importance.size, dtype=np.bool_)
    keep[order] = True
    changed: dict[int, Node] = {
        id(chain.vectorizer): _fewer_terms(chain.vectorizer, keep, arrays),
        id(chain.model): _fewer_weights(chain.model, keep, _shrinking(chain, keep, spread), arrays),
    }
    if chain.weighting is not None:
        changed[id(chain.weighting)] = _fewer_idf(chain.weighting, keep, arrays)
    pairs = [
        replace(pair, items=(pair.items[0], changed.get(id(pair.items[1]), pair.items[1])))
        for pair in steps.items
        if isinstance(pair, SequenceNode)
    ]
    done = f"{count:,} of {importance.size:,} terms"
    note = (
        f"the vocabulary keeps {done}: the vectorizer's `transform` gives as many columns, and "
        "`get_feature_names_out` and `coef_` are as long"
    )
    fewer = replace(steps, items=tuple(pairs))
    return Coarser(with_attributes(node, {_STEPS: fewer}), done=done, notes=(note,))


def _steps(node: Node) -> SequenceNode | None:
    """The (name, step) pairs of a pipeline."""
    found = attributes(node).get(_STEPS) if isinstance(node, ObjectNode) else None
    return found if isinstance(found, SequenceNode) else None


def _chain(steps: SequenceNode, arrays: Arrays) -> _Chain | None:
    found: list[Node] = []
    for pair in steps.items:
        if not isinstance(pair, SequenceNode) or len(pair.items) != 2:
            return None
        if pair.items[1] not in (None, "passthrough"):
            found.append(pair.items[1])
    if len(found) not in (2, 3):
        return None
    first, last = found[0], found[-1]
    between = found[1] if len(found) == 3 else None
    if (
        not isinstance(first, PackedNode)
        or first.type not in (COUNT, TFIDF)
        or first.id is not None
    ):
        return None
    if not isinstance(last, ObjectNode) or last.id is not None:
        return None
    if between is not None and (
        not isinstance(between, PackedNode)
        or between.type != TRANSFORMER
        or first.type != COUNT
        or between.id is not None
    ):
        return None
    parts = dict(first.parts)
    if parts.get("terms.vocabulary") is not None or parts.get("terms.split", 0) == 0:
        return None  # the caller's own list of terms stays as it is
    if parts.get("fixed_vocabulary_") is True:
        return None
    weights = attributes(last).get(_WEIGHTS)
    if not isinstance(weights, ArrayNode):
        return None
    array = arrays[weights.array]
    if array.ndim not in (1, 2) or array.dtype.kind != "f" or not np.isfinite(array).all():
        return None
    if array.shape[-1] < FEWEST_TERMS or array.shape[-1] != len(_columns(first, arrays)):
        return None
    weighting = between if isinstance(between, PackedNode) else None
    return _Chain(first, weighting, last)


def _tree(vectorizer: PackedNode, arrays: Arrays) -> tuple[list[str], Array]:
    """Terms, and the column of each."""
    parts = dict(vectorizer.parts)

    def part(name: str) -> Array:
        node = parts[name]
        assert isinstance(node, ArrayNode)
        return arrays[node.array]

    split = parts["terms.split"]
    assert split in (" ", "", None)
    terms = terms_of(read_terms(part, parts.__contains__), split)  # type: ignore[arg-type]
    return terms, _columns(vectorizer, arrays)


def _columns(vectorizer: PackedNode, arrays: Arrays) -> Array:
    parts = dict(vectorizer.parts)
    node = parts.get("terms.columns")
    if isinstance(node, ArrayNode):
        return np.asarray(arrays[node.array], dtype=np.int64)

    def part(name: str) -> Array:
        held = parts[name]
        assert isinstance(held, ArrayNode)
        return arrays[held.array]

    return np.arange(read_terms(part, parts.__contains__).n_terms, dtype=np.int64)


def _weights(model: ObjectNode, arrays: Arrays) -> Array:
    node = attributes(model)[_WEIGHTS]
    assert isinstance(node, ArrayNode)
    return np.atleast_2d(arrays[node.array]).astype(np.float64)


def _holder(chain: _Chain) -> PackedNode | ObjectNode | None:
    """The transformer with the idf; None where terms are only counted."""
    found = chain.weighting or dict(chain.vectorizer.parts).get("_tfidf")
    return found if isinstance(found, PackedNode | ObjectNode) else None


def _spread(chain: _Chain, count: int, arrays: Arrays) -> Array:
    """About how far the input of each weight varies: document frequency times squared idf."""
    holder = _holder(chain)
    if holder is None:
        return np.ones(count)
    state = attributes(holder)
    if "idf.counts" in state:
        found = frequencies_of(state, arrays)
        codes, table = idf_table(found)
        return np.asarray(found.counts.astype(np.float64) * np.square(table[codes]))
    idf = state.get("idf_")
    return np.square(arrays[idf.array]) if isinstance(idf, ArrayNode) else np.ones(count)


def _shrinking(chain: _Chain, keep: Array, spread: Array) -> float:
    """By how much weights shrink, as a row of fewer terms is normalised to larger entries.

    The norm that is left would say `share ** 0.5`; but terms that are kept are the frequent ones of
    each row. The exponent was fitted on three models; calibration rows do better.
    """
    holder = _holder(chain)
    if holder is None or attributes(holder).get("norm") != "l2" or not spread.sum() > 0:
        return 1.0
    return float((spread[keep].sum() / spread.sum()) ** _NORM_EXPONENT)


def _fewer_terms(vectorizer: PackedNode, keep: Array, arrays: Arrays) -> PackedNode:
    terms, columns = _tree(vectorizer, arrays)
    number = np.cumsum(keep) - 1
    kept = [at for at, column in enumerate(columns.tolist()) if keep[column]]
    parts = dict(vectorizer.parts)
    item = parts["terms.item"]
    made = vocabulary_parts(
        [terms[at] for at in kept], number[columns[kept]], parts["terms.split"], str(item), arrays
    )
    assert made is not None, "terms that were packed once can be packed again"
    old = {f"terms.{name}" for name in (*STREAMS, CHILDREN, ENDS, "columns", "split", "item")}
    rest: dict[str, Node] = {name: node for name, node in parts.items() if name not in old}
    behind = rest.get("_tfidf")
    if isinstance(behind, PackedNode | ObjectNode):
        rest["_tfidf"] = _fewer_idf(behind, keep, arrays)
    return replace(vectorizer, parts=tuple((rest | made).items()))


def _fewer_idf(
    weighting: PackedNode | ObjectNode, keep: Array, arrays: Arrays
) -> PackedNode | ObjectNode:
    state = attributes(weighting)
    changed: dict[str, Node] = {}
    if "idf.counts" in state:
        found = frequencies_of(state, arrays)
        counts = found.counts[keep]
        distinct = np.unique(found.counts)
        left = np.isin(distinct, counts)
        fewer = Frequencies(counts, found.total, found.corrections[left], found.dtype)
        changed["idf.counts"] = ArrayNode(arrays.add(fewer.counts))
        changed["idf.corrections"] = ArrayNode(arrays.add(fewer.corrections))
    elif isinstance(idf := state.get("idf_"), ArrayNode):
        changed["idf_"] = ArrayNode(arrays.add(arrays[idf.array][keep]))
    if isinstance(state.get(_WIDTH), int):
        changed[_WIDTH] = int(keep.sum())
    return with_attributes(weighting, changed)


def _fewer_weights(model: ObjectNode, keep: Array, factor: float, arrays: Arrays) -> ObjectNode:
    state = attributes(model)
    node = state[_WEIGHTS]
    assert isinstance(node, ArrayNode)
    weights = arrays[node.array]
    fewer = np.ascontiguousarray(weights[..., keep] * weights.dtype.type(factor))
    changed: dict[str, Node] = {_WEIGHTS: ArrayNode(arrays.add(fewer))}
    if isinstance(state.get(_WIDTH), int):
        changed[_WIDTH] = int(keep.sum())
    return with_attributes(model, changed)
