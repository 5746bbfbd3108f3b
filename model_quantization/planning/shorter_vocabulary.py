"""A vocabulary with fewer terms, and the linear model behind it without their weights.

Only the two together can lose terms: what a vectorizer gives is what the model takes. A term counts
by what its weights can move: the sum of their squares times the number of documents that will have
it (`planning.expected_terms`) times the square of its idf. Documents are not needed for that.

A row that is normalised is so over the terms that are left, as scikit-learn does with a vocabulary
that never held the others: its entries would grow, by how much depends on the row. So the terms
that stay stand for those that went and hold them. A word's idf grows by what the pairs with it
would have added to the row's norm, and its weights take what they would have added to the scores.
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
from model_quantization.kernels.arrays import narrowed
from model_quantization.kernels.text.frequencies import idf_table
from model_quantization.kernels.text.vocabulary import terms_of
from model_quantization.planning.expected_terms import expected_counts, passed_on, relations_of

VOCABULARY = "vocabulary"
FEWEST_TERMS = 200  # a smaller vocabulary is not shortened
_SHARES = (70, 60, 50, 45, 40, 30, 20, 10)
_STEPS = "steps"
_WEIGHTS = "coef_"
_WIDTH = "n_features_in_"
# A term counts even where its weights are zero: without it the rows that hold it have another norm.
_OF_THE_NORM = 0.3  # of the mean square of the weights
# Rows differ, and the mean of what goes is that of rows that hold many rare terms. Most hold fewer.
_IN_MOST_ROWS = 0.85


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
    fewer = _shortened(chain, weights, share, arrays)
    keep = fewer.keep
    changed: dict[int, Node] = {
        id(chain.vectorizer): _fewer_terms(chain.vectorizer, fewer, arrays),
        id(chain.model): _fewer_weights(chain.model, fewer, arrays),
    }
    if chain.weighting is not None:
        changed[id(chain.weighting)] = _fewer_idf(chain.weighting, fewer, arrays)
    pairs = [
        replace(pair, items=(pair.items[0], changed.get(id(pair.items[1]), pair.items[1])))
        for pair in steps.items
        if isinstance(pair, SequenceNode)
    ]
    done = f"{keep.sum():,} of {keep.size:,} terms"
    note = (
        f"the vocabulary keeps {done}: the vectorizer's `transform` gives as many columns, and "
        "`get_feature_names_out` and `coef_` are as long"
    )
    if fewer.idf is not None:
        note += "; `idf_` of a term also stands for those that went and hold it"
    left = replace(steps, items=tuple(pairs))
    return Coarser(with_attributes(node, {_STEPS: left}), done=done, notes=(note,))


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


@dataclass(frozen=True, slots=True)
class _Shortened:
    """What is left: per column, ascending.

    Attributes
    ----------
    keep : boolean array of shape (n_terms,)
    weights : array of shape (outputs, kept)
    shift : array of shape (outputs,)
        Of the intercepts.
    idf : array of shape (kept,), or None
        None where it stays as it is.
    """

    keep: Array
    weights: Array
    shift: Array
    idf: Array | None


def _shortened(chain: _Chain, weights: Array, share: float, arrays: Arrays) -> _Shortened:
    squares = np.square(weights).sum(axis=0)
    holder = _holder(chain)
    idf = None if holder is None else _idf(holder, arrays)
    if holder is None or idf is None:
        keep = _largest(squares, share)
        return _Shortened(keep, weights[:, keep], np.zeros(len(weights)), None)
    counts = _documents(holder, arrays)
    if counts is None:
        keep = _largest(squares * np.square(idf), share)
        return _Shortened(keep, weights[:, keep], np.zeros(len(weights)), None)
    terms, columns = _tree(chain.vectorizer, arrays)
    names = [""] * len(terms)
    for term, column in zip(terms, columns.tolist(), strict=True):
        names[column] = term
    split = dict(chain.vectorizer.parts)["terms.split"]
    relations = relations_of(tuple(names), split if isinstance(split, str) else None)
    expected = expected_counts(counts, relations.lengths)
    energy = expected * np.square(idf)  # what each term adds to the squared norms of new documents
    keep = _largest((squares + _OF_THE_NORM * squares.mean()) * energy, share)
    # Scores: what went leaves its mean effect to its parts, and the rest to the intercept.
    effect = (expected * idf)[:, np.newaxis] * weights.T
    taken, rest = passed_on(effect, keep, relations)
    solved = weights[:, keep] + (taken[keep] / (expected * idf)[keep, np.newaxis]).T
    total = _total(holder)
    if attributes(holder).get("norm") != "l2":
        return _Shortened(keep, solved, rest / total, None)
    shift = rest / total / np.sqrt(energy.sum() / total)
    grown, missing = passed_on(_IN_MOST_ROWS * energy, keep, relations)
    grown = grown[keep] + energy[keep]
    larger = _storable(idf[keep] * np.sqrt(grown / energy[keep]), holder)
    scale = np.sqrt(1 + missing / grown.sum()) * (larger / idf[keep])
    return _Shortened(keep, solved / scale, shift, larger)


def _largest(importance: Array, share: float) -> Array:
    count = max(1, round(share * importance.size))
    keep = np.zeros(importance.size, dtype=np.bool_)
    keep[np.argsort(-importance, kind="stable")[:count]] = True
    return keep


def _idf(holder: PackedNode | ObjectNode, arrays: Arrays) -> Array | None:
    state = attributes(holder)
    if "idf.counts" in state:
        codes, table = idf_table(frequencies_of(state, arrays))
        return table[codes].astype(np.float64)
    idf = state.get("idf_")
    return arrays[idf.array].astype(np.float64) if isinstance(idf, ArrayNode) else None


def _documents(holder: PackedNode | ObjectNode, arrays: Arrays) -> Array | None:
    """Training documents with each term; None where the idf does not tell."""
    state = attributes(holder)
    if "idf.counts" not in state:
        return None
    counts = frequencies_of(state, arrays).counts.astype(np.int64)
    return np.asarray(np.maximum(counts - _smoothing(state), 1))


def _smoothing(state: Mapping[str, Node]) -> int:
    """How many documents the idf counts beyond those that there were."""
    return 0 if state.get("smooth_idf") is False else 1


def _total(holder: PackedNode | ObjectNode) -> int:
    total = attributes(holder).get("idf.total")
    assert isinstance(total, int), "`_documents` found counts"
    return total


def _frequencies_for(idf: Array, total: int) -> Array:
    """The whole numbers of documents whose idf is nearest."""
    return np.clip(np.rint(total / np.exp(idf - 1.0)), 1, total).astype(np.int64)


def _storable(idf: Array, holder: PackedNode | ObjectNode) -> Array:
    """The idf that whole numbers of documents give: those are what the artifact holds."""
    total = _total(holder)
    return np.log(total / _frequencies_for(idf, total)) + 1.0


def _fewer_terms(vectorizer: PackedNode, fewer: _Shortened, arrays: Arrays) -> PackedNode:
    terms, columns = _tree(vectorizer, arrays)
    keep = fewer.keep
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
        rest["_tfidf"] = _fewer_idf(behind, fewer, arrays)
    return replace(vectorizer, parts=tuple((rest | made).items()))


def _fewer_idf(
    weighting: PackedNode | ObjectNode, fewer: _Shortened, arrays: Arrays
) -> PackedNode | ObjectNode:
    state = attributes(weighting)
    keep = fewer.keep
    changed: dict[str, Node] = {}
    if "idf.counts" in state:
        found = frequencies_of(state, arrays)
        counts = found.counts[keep].astype(np.int64)
        if fewer.idf is not None:
            counts = _frequencies_for(fewer.idf, found.total)
        # A count that the model has already keeps its last bit; others are what the formula gives.
        distinct, present = np.unique(found.counts), np.unique(counts)
        at = np.minimum(np.searchsorted(distinct, present), len(distinct) - 1)
        corrections = np.where(distinct[at] == present, found.corrections[at], 0).astype(np.int8)
        changed["idf.counts"] = ArrayNode(arrays.add(narrowed(counts)))
        changed["idf.corrections"] = ArrayNode(arrays.add(corrections))
    elif isinstance(idf := state.get("idf_"), ArrayNode):
        changed["idf_"] = ArrayNode(arrays.add(arrays[idf.array][keep]))
    if isinstance(state.get(_WIDTH), int):
        changed[_WIDTH] = int(keep.sum())
    return with_attributes(weighting, changed)


def _fewer_weights(model: ObjectNode, fewer: _Shortened, arrays: Arrays) -> ObjectNode:
    state = attributes(model)
    node, bias = state[_WEIGHTS], state.get("intercept_")
    assert isinstance(node, ArrayNode)
    before = arrays[node.array]
    after = fewer.weights.reshape(*before.shape[:-1], -1).astype(before.dtype)
    changed: dict[str, Node] = {_WEIGHTS: ArrayNode(arrays.add(np.ascontiguousarray(after)))}
    if isinstance(bias, ArrayNode) and arrays[bias.array].shape == fewer.shift.shape:
        old = arrays[bias.array]
        changed["intercept_"] = ArrayNode(arrays.add((old + fewer.shift).astype(old.dtype)))
    if isinstance(state.get(_WIDTH), int):
        changed[_WIDTH] = int(fewer.keep.sum())
    return with_attributes(model, changed)
