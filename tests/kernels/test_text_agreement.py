"""Every kernel of text and of linear rows equals its reference, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.kernels.linear import linear_rows  # noqa: F401  (registers its kernels)
from model_quantization.kernels.text import documents as texts
from model_quantization.kernels.text import hash_counts, term_counts, term_tree, term_values
from model_quantization.kernels.text.term_packing import pack_terms
from model_quantization.kernels.text.vocabulary import grow_tree
from tests.kernels.agreement import agree

QUICK = settings(max_examples=60, deadline=None)
WORD = st.text("abé日\U0001d7d8_", min_size=1, max_size=4)
TEXT = st.lists(st.one_of(WORD, st.sampled_from(["zz", "-", "", "  ", "\ud800"])), max_size=12).map(
    " ".join
)
RANDOM = np.random.default_rng(5)


def no_rows(count: int) -> np.ndarray:
    return np.zeros(count + 1, dtype=np.int64)


def vocabulary(terms: list[str]) -> Any:
    packed, _ = pack_terms(terms, " ")
    return packed, grow_tree(packed)


def hashed(tree: Any) -> np.ndarray:
    table = np.zeros(1 << max(4, len(tree.offsets).bit_length() + 1), dtype=np.uint32)
    assert term_tree.fill_table(tree.blob, tree.offsets, table)
    return table


# Vocabularies -----------------------------------------------------------------------------


@QUICK
@given(st.sets(st.lists(WORD, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=30))
def test_a_tree_grows_as_its_references_say(terms: set[str]) -> None:
    packed, tree = vocabulary(list(terms))
    n_symbols, n_inner = len(packed.prefix), len(packed.fanout)
    agree(
        "join_symbols", packed.prefix.astype(np.uint32), packed.data, tree.offsets,
        np.zeros_like(tree.blob),
    )  # fmt: skip
    popularity = packed.popularity.astype(np.uint32)
    order = np.zeros(len(popularity), np.uint32)
    steps = np.zeros(int(popularity.max(initial=0)) + 2, np.int64)
    agree_but_scratch("rank_symbols", 1, popularity, order, steps)
    if n_inner:
        term_tree.rank_symbols(popularity, order, steps)
        for kind in (np.uint16, np.uint32):
            arguments = (
                packed.gaps.astype(kind), tree.first, order,
                np.zeros(len(packed.gaps), kind), np.zeros(len(packed.gaps), kind),
                np.zeros(n_symbols + 1, np.uint32), np.zeros(len(tree.first), np.uint32),
            )  # fmt: skip
            agree_but_scratch("place_children", 4, *arguments)
        ends = packed.ends if packed.ends.size else np.ones(n_inner, np.bool_)
        agree(
            "number_terms", ends, tree.first, n_symbols, np.zeros(n_inner, np.uint32),
            np.zeros(n_inner, np.int64),
        )  # fmt: skip
    agree("fill_table", tree.blob, tree.offsets, np.zeros(256, np.uint32))
    agree("fill_table", tree.blob, tree.offsets, np.zeros(2, np.uint32))


def agree_but_scratch(name: str, kept: int, *arguments: Any) -> Any:
    """As `agree`, for the first arguments: the others are scratch, whatever it holds then."""
    from model_quantization.kernels.compiled import available_sets, compiled_kernels, references

    def outcome(function: Any) -> tuple[Any, ...]:
        copies = [each.copy() if isinstance(each, np.ndarray) else each for each in arguments]
        result = function(*copies)
        return (result, *copies[:kept])

    expected = outcome(references[name])
    for chosen in available_sets():
        found = outcome(compiled_kernels(chosen)[name])
        assert found[0] == expected[0], name
        for mine, theirs in zip(found[1:], expected[1:], strict=True):
            np.testing.assert_array_equal(mine, theirs, err_msg=f"{name} {chosen}")
    return expected[0]


def test_a_prefix_longer_than_the_symbol_before_is_refused() -> None:
    result = agree(
        "join_symbols", np.array([0, 3], np.uint32), np.frombuffer(b"abc", np.uint8),
        np.array([0, 2, 6], np.int32), np.zeros(6, np.uint8),
    )[0]  # fmt: skip
    assert result is False


def test_a_rank_without_a_symbol_is_refused() -> None:
    arguments = (
        np.array([5], np.uint16), np.array([0, 1], np.uint32), np.array([0], np.uint32),
        np.zeros(1, np.uint16), np.zeros(1, np.uint16), np.zeros(2, np.uint32),
        np.zeros(2, np.uint32),
    )  # fmt: skip
    assert agree_but_scratch("place_children", 3, *arguments) is False


@QUICK
@given(st.lists(st.integers(0, 50), max_size=30))
def test_marks_are_those_of_the_reference(values: list[int]) -> None:
    for kind in (np.uint16, np.uint32):
        agree("mark", np.array(values, kind), np.zeros(51, np.bool_))


# Documents --------------------------------------------------------------------------------


@QUICK
@given(st.lists(TEXT, min_size=1, max_size=5), st.integers(1, 2), st.integers(0, 2))
def test_words_and_tokens_are_found_as_the_references_find_them(
    documents: list[str], shortest: int, n_stop: int
) -> None:
    _, tree = vocabulary(["a", "ab", "b", "bé", "日", "\U0001d7d8"])
    table = hashed(tree)
    data, cuts, plain = texts.as_bytes(documents)
    ids = np.zeros(len(data) // 2 + len(documents) + 1, np.int32)
    symbols = (tree.blob, tree.offsets, table, n_stop, ids, no_rows(len(documents)))
    agree("word_ids", data, cuts, texts.word_bits(data, plain), shortest, *symbols)
    joined = ["\0".join(text.split(" ")) for text in documents]
    data, cuts, _ = texts.as_bytes(joined)
    agree("token_ids", data, cuts, *symbols)


@pytest.mark.parametrize("words", [False, True])
@QUICK
@given(documents=st.lists(TEXT, min_size=1, max_size=5))
def test_characters_are_found_as_the_reference_finds_them(
    documents: list[str], words: bool
) -> None:
    pages, numbers = texts.code_point_table("abé日 \U0001d7d8")
    shape = texts.padded_words if words else texts.single_spaced
    codes, cuts = texts.as_code_points([shape(text) for text in documents])
    ids = np.zeros(2 * len(codes) + 1, np.int32)
    agree("character_ids", codes, cuts, pages, numbers, words, ids, no_rows(len(documents)))


@QUICK
@given(
    st.lists(st.lists(st.integers(-2, 5), max_size=12), min_size=1, max_size=4),
    st.integers(1, 2), st.integers(0, 2), st.booleans(), st.booleans(),
)  # fmt: skip
def test_terms_are_counted_as_the_reference_counts_them(
    documents: list[list[int]], least: int, more: int, words: bool, renumbered: bool
) -> None:
    _, tree = vocabulary(["a", "b", "c", "d", "e", "a b", "b c", "a b c", "c a", "e e", "b d"])
    ids = np.array([symbol for text in documents for symbol in text], np.int32)
    ids[ids >= tree.n_symbols] = -1
    cuts = np.cumsum([0, *map(len, documents)])
    most = least + more
    room = (int(np.diff(cuts).max()) + 1) * (more + 1)
    total = len(ids) * (more + 1)
    columns = RANDOM.permutation(tree.n_terms).astype(np.int32)
    arguments = (
        ids, cuts, least, most, words, tree.first, tree.labels, tree.number, tree.n_symbols,
        columns if renumbered else columns[:0],
        np.zeros(total, np.int32), np.zeros(total, np.int64), no_rows(len(documents)),
        np.zeros(room, np.int32), np.zeros(room, np.int32),
    )  # fmt: skip
    agree_but_scratch("count_terms", 13, *arguments)


def test_long_documents_are_sorted_too() -> None:
    _, tree = vocabulary([f"w{number}" for number in range(900)])
    ids = RANDOM.integers(0, 900, 3000).astype(np.int32)
    cuts = np.array([0, 2900, 3000])
    arguments = (
        ids, cuts, 1, 1, False, tree.first, tree.labels, tree.number, tree.n_symbols,
        np.zeros(0, np.int32), np.zeros(3000, np.int32), np.zeros(3000, np.int64), no_rows(2),
        np.zeros(3000, np.int32), np.zeros(3000, np.int32),
    )  # fmt: skip
    agree_but_scratch("count_terms", 13, *arguments)


@QUICK
@given(st.lists(TEXT.filter(lambda text: text.isprintable()), min_size=1, max_size=4), st.data())
def test_hashed_terms_are_counted_as_the_reference_counts_them(
    documents: list[str], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from([0, 1, 2]))
    least = data.draw(st.integers(1, 2))
    most = least + data.draw(st.integers(0, 2))
    shape = texts.padded_words if kind == hash_counts.INSIDE_WORDS else texts.single_spaced
    raw, cuts, _ = texts.as_bytes([shape(text) for text in documents])
    room = 2 * term_counts.longest(cuts) + 1
    total = (2 * len(raw) + 1) * (most - least + 1)
    arguments = (
        raw, cuts, kind, least, most, data.draw(st.sampled_from([1, 7, 1 << 20])),
        data.draw(st.booleans()),
        np.zeros(total, np.int32), np.zeros(total, np.int64), no_rows(len(documents)),
        np.zeros(room, np.int64), np.zeros(room, np.int64),
        *np.zeros((2, room * (most - least + 1)), np.int64),
    )  # fmt: skip
    agree_but_scratch("count_hashed", 10, *arguments)


@QUICK
@given(st.binary(max_size=40))
def test_the_hash_equals_its_reference(raw: bytes) -> None:
    agree("murmur", np.frombuffer(raw, np.uint8))


@QUICK
@given(st.lists(st.integers(0, 9), max_size=9))
def test_lengths_and_counts(numbers: list[int]) -> None:
    values = np.array(numbers, np.int64)
    agree("largest", values)
    agree("longest", np.concatenate([[0], np.cumsum(values)]))


# Values -----------------------------------------------------------------------------------


def matrix(n_terms: int, kind: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """indices, counts, values and rows of some documents, one of them empty."""
    lengths = [3, 0, 5, 1]
    indices = np.concatenate(
        [np.sort(RANDOM.choice(n_terms, size, replace=False)) for size in lengths]
    )
    counts = RANDOM.integers(1, 6, len(indices))
    values = RANDOM.normal(size=len(indices)).astype(kind)
    return indices.astype(np.int32), counts, values, np.cumsum([0, *lengths])


@pytest.mark.parametrize("value", [np.float32, np.float64])
@pytest.mark.parametrize("norm", [0, 1, 2])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("idf", [None, np.float32, np.float64])
@pytest.mark.parametrize("code", [np.uint16, np.uint32])
def test_counts_are_weighed_as_the_reference_weighs_them(
    value: Any, norm: int, binary: bool, sublinear: bool, idf: Any, code: Any
) -> None:
    indices, counts, values, rows = matrix(9, value)
    tf = (1 + np.log(np.arange(1, 8))).astype(value) if sublinear else np.zeros(0, value)
    codes = RANDOM.integers(0, 4, 9).astype(code) if idf else np.zeros(0, code)
    table = RANDOM.random(4).astype(idf) if idf else np.zeros(0)
    agree(
        "weigh", counts, indices, rows, binary, sublinear, tf, codes, table, norm,
        np.zeros_like(values),
    )  # fmt: skip
    agree("normalize_rows", values, rows, norm)


@pytest.mark.parametrize("value", [np.float32, np.float64])
def test_what_is_above_a_threshold_is_kept(value: Any) -> None:
    indices, _, values, rows = matrix(9, value)
    agree("keep_above", indices, values, rows, 0.1)


FLOATS = (np.float32, np.float64)
SHAPES = [
    *((channels, value, score) for channels in (1, 7, 300) for value in FLOATS for score in FLOATS),
    (70_000, np.float64, np.float64),  # channels of four bytes
]


@pytest.mark.parametrize(("channels", "value", "score"), SHAPES)
@pytest.mark.parametrize("weight", [np.int8, np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("scaled", [False, True])
def test_scores_are_added_as_the_references_add_them(
    channels: int, value: Any, score: Any, weight: Any, scaled: bool
) -> None:
    indices, _, values, rows = matrix(9, value)
    weights = (RANDOM.normal(size=(9, channels)) * 100).astype(weight)
    weights[RANDOM.random(weights.shape) < 0.6] = 0
    scale = RANDOM.random(channels) if scaled else np.zeros(0)
    out = np.zeros((4, channels), score)
    agree("accumulate", indices, values, rows, weights, scale, out)
    channel = np.min_scalar_type(channels - 1)
    entry = np.dtype([("channel", channel), ("weight", weight)])
    starts = np.zeros(10, np.uint32)
    entries = np.zeros(int(np.count_nonzero(weights)) * entry.itemsize, np.uint8)
    assert term_values.entry_of(term_values.layout_of(entry)) == entry
    _, _, _, starts, entries = agree("list_weights", weights, channel.itemsize, starts, entries)
    agree(
        "accumulate_listed", indices, values, rows, starts, entries,
        term_values.layout_of(entry), scale, out,
    )  # fmt: skip


@pytest.mark.parametrize("by_term", [False, True])
@pytest.mark.parametrize("gap", [np.uint16, np.uint32])
@pytest.mark.parametrize("code", [np.int8, np.int16, np.int32])
def test_codes_are_listed_as_the_reference_lists_them(by_term: bool, gap: Any, code: Any) -> None:
    places = np.flatnonzero(RANDOM.random(9 * 5) < 0.4)
    gaps = np.diff(places, prepend=-1) - 1
    codes = RANDOM.integers(1, 100, len(places)).astype(code)
    size = 1 + np.dtype(code).itemsize
    agree(
        "list_codes", gaps.astype(gap), codes, by_term, 5, 1, np.zeros(10, np.uint32),
        np.zeros(len(codes) * size, np.uint8),
    )  # fmt: skip


# Linear rows ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("columns", [1, 2, 4, 5, 6, 11])
@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize("width", [1, 7, 8, 64, 112, 250])
@pytest.mark.parametrize("odd", [None, np.nan, np.inf])
def test_linear_answers_equal_their_references(
    dtype: str, columns: int, count: int, width: int, odd: float | None
) -> None:
    rows = RANDOM.normal(size=(count, width)).astype(dtype)
    if odd is not None:
        rows[-1, -1] = odd
    weights, bias = RANDOM.normal(size=(columns, width)), RANDOM.normal(size=columns)
    out, pairs = np.zeros((count, columns)), np.zeros((count, 2))
    close = {"rtol": 1e-9, "atol": 1e-12}
    if odd is None:
        agree("fill_row_scores", rows, weights, bias, out, **close)
        agree("fill_row_softmax", rows, weights, bias, out, **close)
        agree("fill_row_one_vs_rest", rows, weights, bias, out, pairs, **close)
        agree("fill_row_winners", rows, weights, bias, out, np.zeros(count, np.int64), **close)
        return
    from model_quantization.kernels.compiled import available_sets, compiled_kernels, references

    for kernels in (references, *map(compiled_kernels, available_sets())):
        assert kernels["fill_row_scores"](rows, weights, bias, out) is False
        assert kernels["fill_row_softmax"](rows, weights, bias, out) is False


def test_arguments_that_do_not_fit_each_other_are_refused() -> None:
    from model_quantization.kernels.compiled import available_sets, compiled_kernels

    for kernels in map(compiled_kernels, available_sets()):
        with pytest.raises(ValueError, match="do not fit each other"):
            kernels["fill_row_scores"](
                np.ones((2, 3)), np.ones((4, 2)), np.ones(4), np.ones((2, 4))
            )
        with pytest.raises(ValueError, match="do not fit each other"):
            kernels["mark"](np.array([9], np.uint16), np.zeros(3, np.bool_))
        with pytest.raises(ValueError, match="do not fit each other"):
            kernels["accumulate"](
                np.array([9], np.int32), np.ones(1), np.array([0, 1]), np.ones((3, 2)),
                np.zeros(0), np.zeros((1, 2)),
            )  # fmt: skip
