"""Kernels of text: packing, searching, tokens, weights and scores, against plain Python."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.kernels.compiled import available_sets, compiled_kernels
from model_quantization.kernels.text import documents, hash_counts, symbol_ids, term_tree
from model_quantization.kernels.text.documents import Analysis
from model_quantization.kernels.text.frequencies import find_frequencies, idf_table, logarithm
from model_quantization.kernels.text.steps import TextStep, thread_count
from model_quantization.kernels.text.term_counter import Reader, TermCounter
from model_quantization.kernels.text.term_packing import (
    front_code,
    front_decode,
    pack_terms,
    ranking,
)
from model_quantization.kernels.text.term_weights import (
    ListedWeights,
    RowWeights,
    hold_codes,
    hold_weights,
)
from model_quantization.kernels.text.vocabulary import (
    MAX_SYMBOLS_IN_A_TERM,
    PackedTerms,
    grow_tree,
    terms_of,
)
from model_quantization.kernels.text.weighting import Weighting
from model_quantization.schemes.quantize import quantize_array, stored_codes
from model_quantization.schemes.scheme import Affine, Role, Slot

QUICK = settings(deadline=None, derandomize=True, max_examples=60)
ANY_TEXT = st.text(st.characters(), max_size=12)
WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "\u00e9", "\ud800", ""]), max_size=4)


def tree_of(terms, split):
    packed = pack_terms(terms, split)
    assert packed is not None
    return grow_tree(packed[0])


def step_of(terms, analysis, weighting=None):
    split = " " if analysis.analyzer == "word" else ""
    tree = tree_of(terms, split)
    return TextStep(TermCounter(Reader.of(analysis, tree), tree), weighting or Weighting())


# The tree ---------------------------------------------------------------------------------


@QUICK
@given(st.sets(WORDS.map(" ".join), min_size=1, max_size=40))
def test_words_come_back_in_canonical_order(terms):
    terms = list(terms)
    packed, numbers = pack_terms(terms, " ")
    back = terms_of(grow_tree(packed), " ")
    assert [back[number] for number in numbers] == terms
    assert back == sorted(terms, key=lambda term: term.split(" "))


@QUICK
@given(st.sets(st.text(st.characters(), min_size=1, max_size=5), min_size=1, max_size=40))
def test_characters_come_back_sorted(terms):
    assert terms_of(tree_of(list(terms), ""), "") == sorted(terms)


@QUICK
@given(st.sets(ANY_TEXT, min_size=1, max_size=40))
def test_whole_terms_come_back_sorted(terms):
    assert terms_of(tree_of(list(terms), None), None) == sorted(terms)


@QUICK
@given(st.lists(ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))).map(sorted))
def test_front_coding_is_undone_by_the_reference_and_by_the_compiled_decoder(items):
    prefix, length, data = front_code(items)
    assert front_decode(prefix, length, data) == items
    offsets = np.concatenate([[0], np.cumsum(list(map(len, items)))]).astype(np.int32)
    blob = np.empty(int(offsets[-1]), dtype=np.uint8)
    assert term_tree.join_symbols(prefix.astype(np.uint32), data, offsets, blob)
    assert blob.tobytes() == b"".join(items)


def test_terms_that_are_no_paths_are_not_packed_as_paths():
    assert pack_terms(["ok", " ".join("a" * (MAX_SYMBOLS_IN_A_TERM + 1))], " ") is None
    assert pack_terms(["ok", ""], "") is None
    assert pack_terms(["ok", ""], None) is not None


def test_older_files_list_children_by_symbol():
    packed, _ = pack_terms(["a", "b", "c", "a b", "a c", "b c", "a b c"], " ")
    by_symbol = packed.fanout.copy()
    by_symbol[ranking(packed.popularity)] = packed.fanout[:3]
    assert by_symbol.tolist() != packed.fanout.tolist()
    older = replace(packed, fanout=np.r_[by_symbol[:3], packed.fanout[3:]], by_rank=False)
    assert terms_of(grow_tree(older), " ") == terms_of(grow_tree(packed), " ")


def test_regular_terms_need_no_end_flags_and_narrow_types():
    packed, _ = pack_terms(["a", "b", "a b"], " ")
    assert packed.ends.size == 0
    assert {getattr(packed, name).dtype for name in ("gaps", "fanout", "prefix")} == {
        np.dtype(np.uint8)
    }


HOSTILE = {
    "stream gaps is malformed": {"gaps": np.array([0.5])},
    "stream fanout is malformed": {"fanout": np.array([[1]], dtype=np.uint8)},
    "every symbol needs a prefix and a length": {"length": np.ones(1, np.uint8)},
    "own bytes do not add up": {"length": np.array([9, 1, 1], np.uint8)},
    "the symbols are too long": {"prefix": np.array([0, 1 << 31, 0], np.uint32)},
    "shares more bytes": {"prefix": np.array([0, 7, 0], np.uint8)},
    "the children do not add up": {"fanout": np.array([9, 0, 0], np.uint8)},
    "the levels do not add up": {"fanout": np.array([1, 1, 0, 1], np.uint8)},
    "a rank beyond the last symbol": {"gaps": np.array([200, 0, 0], np.uint8)},
    "every symbol needs a popularity": {"popularity": np.ones(2, np.uint8)},
    "more often than there are children": {"popularity": np.array([1, 9, 1], np.uint8)},
    "every inner node needs an end flag": {"ends": np.ones(2, np.bool_)},
    "end flags are not booleans": {"ends": np.ones(3, np.uint8)},
    "a last level is missing": {"fanout": np.zeros(0, np.uint8)},
}


@pytest.mark.parametrize("message", HOSTILE)
def test_streams_that_contradict_each_other_are_refused(message):
    packed, _ = pack_terms(["a", "b", "c", "a b", "a c", "b a"], " ")
    broken = replace(packed, **HOSTILE[message])
    if message == "a last level is missing":
        broken = replace(broken, fanout=np.zeros(0, np.uint8))
        message = "(a last level is missing|the children do not add up)"
    with pytest.raises(SemanticError, match=message):
        grow_tree(broken)


@QUICK
@given(st.data())
def test_no_streams_crash_the_decoder(data):
    def stream(most):
        values = data.draw(st.lists(st.integers(0, most), max_size=8))
        return np.array(values, dtype=np.uint8)

    packed = PackedTerms(
        prefix=stream(2), length=stream(3), data=stream(255), popularity=stream(4),
        fanout=stream(3), by_rank=data.draw(st.booleans()), gaps=stream(4),
        ends=stream(1).astype(np.bool_),
    )  # fmt: skip
    try:
        tree = grow_tree(packed)
    except SemanticError:
        return
    assert tree.n_terms >= 0


def test_every_symbol_is_found_and_nothing_else():
    words = sorted({f"w{number * 7919 % 1009}" for number in range(600)})
    tree = tree_of(words, " ")
    table = np.zeros(1024, dtype=np.uint32)
    assert term_tree.fill_table(tree.blob, tree.offsets, table)
    for position, word in enumerate([*words, "w", "", "w9999"]):
        data = np.frombuffer(word.encode(), dtype=np.uint8)
        found = term_tree.find_symbol(data, tree.blob, tree.offsets, table)
        assert found == (position if position < len(words) else -1)
    assert not term_tree.fill_table(tree.blob, tree.offsets, np.zeros(16, dtype=np.uint32))


# Documents --------------------------------------------------------------------------------


def test_the_table_of_word_characters_is_that_of_re():
    bits = documents.word_bits(np.array([0xF0], np.uint8), plain=False)
    text = "".join(map(chr, range(0x110000)))
    flags = np.zeros(0x110000, np.uint8)
    for run in re.finditer(r"\w+", text):
        flags[run.start() : run.end()] = 1
    assert np.array_equal(np.unpackbits(bits, bitorder="little"), flags)
    for largest, plain, size in ((0x7F, True, 0x80 // 8), (0xEF, False, 0x10000 // 8)):
        few = documents.word_bits(np.array([largest], np.uint8), plain=plain)
        assert np.array_equal(few, bits[:size])


@pytest.mark.parametrize(("pattern", "least"), documents.WORD_RUNS.items())
@QUICK
@given(text=st.text(st.characters(), max_size=30))
def test_word_patterns_are_runs_of_word_characters(pattern, least, text):
    runs = [run for run in re.findall(r"\w+", text) if len(run) >= least]
    assert re.findall(pattern, text) == runs


@QUICK
@given(st.lists(st.text(st.characters(), max_size=30), min_size=1, max_size=4))
def test_code_points_and_bytes_keep_every_character(texts):
    codes, cuts = documents.as_code_points(texts)
    data, byte_cuts, ascii_only = documents.as_bytes(texts)
    for index, text in enumerate(texts):
        assert list(map(chr, codes[cuts[index] : cuts[index + 1]])) == list(text)
        raw = data[byte_cuts[index] : byte_cuts[index + 1]].tobytes()
        assert raw.decode("utf-8", "surrogatepass") == text
    assert ascii_only == all(text.isascii() for text in texts)


def test_tokens_that_cannot_be_joined_are_not():
    assert documents.join_tokens(["a", "b"], "\0") == "a\0b"
    assert documents.join_tokens([], "\0") == ""
    for bad in (["a b"], [""], ["a", ""], ["a\0b"]):
        assert documents.join_tokens(bad, "\0") is None
    assert documents.join_tokens(["a b"], " ") is None


def test_a_token_pattern_with_two_groups_or_an_error_has_no_tokenizer():
    assert Analysis(token_pattern="(a)(b)").tokenizer() is None
    assert Analysis(token_pattern="(").tokenizer() is None


# Frequencies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "most"),
    [*product((np.float64, np.float32), (4000, 8000, 70_000)), (np.float64, 3_000_000)],
)
@pytest.mark.parametrize("smooth", [0, 1])
def test_frequencies_explain_every_bit_of_an_idf(dtype, smooth, most):
    counts = np.random.default_rng(0).zipf(1.5, 5000).clip(1, most) + smooth
    total = most + 484 + smooth
    idf = np.full(len(counts), total, dtype=dtype)
    idf /= counts.astype(dtype)
    np.log(idf, out=idf)
    idf += 1.0
    found = find_frequencies(idf)
    assert found is not None
    codes, table = idf_table(found)
    assert table[codes].tobytes() == idf.tobytes()
    assert found.corrections.nbytes == len(np.unique(counts)) <= len(table) <= len(counts)


def test_an_idf_of_another_kind_is_left_as_it_is():
    rng = np.random.default_rng(0)
    for idf in (rng.uniform(1, 8, 50), np.array([1.0, np.inf]), np.array([0.5]), np.zeros(0)):
        assert find_frequencies(idf) is None


def test_frequencies_that_make_no_sense_are_refused():
    good = find_frequencies(np.log(9 / np.array([1.0, 2.0, 3.0])) + 1)
    for bad, message in (
        (replace(good, counts=np.array([0, 1, 2], np.uint8)), "out of range"),
        (replace(good, total=2), "out of range"),
        (replace(good, total=True), "number of documents"),
        (replace(good, dtype="<f2"), "another type"),
        (replace(good, counts=np.array([1.0])), "malformed document frequencies"),
        (replace(good, corrections=np.zeros(9, np.int8)), "corrections that do not fit"),
    ):
        with pytest.raises(SemanticError, match=message):
            idf_table(bad)


def test_the_logarithm_is_accurate():
    values = np.geomspace(1e-3, 1e9, 20001)
    assert np.abs(logarithm(values) - np.log(values)).max() < 8e-15


# Counts and scores ------------------------------------------------------------------------


def test_a_step_counts_terms_in_ascending_columns():
    step = step_of(["a b", "bb", "cc bb", "cc"], Analysis(ngrams=(1, 2), token_pattern=r"\w+"))
    matrix = step.matrix(["bb a b cc", "", "cc bb bb, a b a b"])
    assert matrix.toarray().tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [2, 2, 1, 1]]
    assert matrix.has_sorted_indices


def test_terms_outside_the_range_of_sizes_are_not_counted():
    step = step_of(["a", "a b", "a b c", "b"], Analysis(ngrams=(2, 2), token_pattern=r"\w+"))
    assert step.matrix(["a b c a"]).toarray().tolist() == [[0, 1, 0, 0]]


def test_no_documents_and_odd_tokens_are_left_to_the_real_vectorizer():
    step = step_of(["a"], Analysis(token_pattern=r"[^,]+"))
    assert step.matrix([]) is None
    assert step.matrix(["a,b c"]) is None
    score = step.scorer(hold_weights(np.ones((1, 1))))
    assert score(["a,b c"]) is None
    assert score([]) is None
    assert score(["a,b"]).tolist() == [[1.0]]


def test_a_count_beyond_the_table_of_logarithms_is_scored_as_well():
    step = step_of(["aa", "bb"], Analysis(), Weighting(sublinear=True))
    text = "aa " * 700 + "bb"
    expected = [[np.log(700.0) + 1.0 + 2.0]]
    assert (
        step.scorer(hold_weights(np.array([[1.0], [2.0]])))(["bb", text])[1:].tolist() == expected
    )


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(0)
    words = sorted({f"w{number}" for number in rng.zipf(1.3, 400) % 500})
    texts = [" ".join(rng.choice(words, rng.integers(0, 30))) for _ in range(50)]
    codes = rng.integers(0, 4, len(words)).astype(np.uint8)
    idf = np.array([1.0, 1.7, 2.9, 3.3])
    weighting = Weighting(codes=codes, idf=idf, norm="l2", sublinear=True)
    return step_of(words, Analysis(), weighting), texts, rng


def test_scores_are_the_product_with_the_matrix_to_the_bit(scored):
    step, texts, rng = scored
    for channels in (1, 3, 20):
        weights = rng.normal(size=(step.n_columns, channels))
        expected = step.matrix(texts) @ weights
        assert step.scorer(hold_weights(weights))(texts).tobytes() == expected.tobytes()
        many = step.scorer(hold_weights(weights))(texts * 20, n_jobs=3)
        assert many.tobytes() == np.concatenate([expected] * 20).tobytes()
        codes = rng.integers(-127, 128, weights.shape).astype(np.int8)
        scale = rng.uniform(0.001, 1, channels)
        expected = step.matrix(texts) @ (codes.astype(np.float64) * scale)
        assert step.scorer(hold_weights(codes, scale))(texts).tobytes() == expected.tobytes()


def test_threads_are_counted_as_joblib_counts_them():
    cores = os.cpu_count() or 1
    many = 1_000_000
    counted = [thread_count(jobs, many) for jobs in (None, 0, 1, 3, -1, -cores - 5)]
    assert counted == [1, 1, 1, 3, cores, 1]
    assert [thread_count(4, n) for n in (1, 499, 500, 999, 1000)] == [1, 1, 2, 3, 4]


def test_a_pruned_column_still_counts_in_the_norm(scored):
    step, texts, rng = scored
    for channels in (1, 5, 300):
        for terms, share in ((0.3, 1.0), (1.0, 0.1), (0.5, 0.02)):
            shape = (step.n_columns, channels)
            left = (rng.random((shape[0], 1)) < terms) & (rng.random(shape) < share)
            weights = np.where(left, rng.normal(size=shape), 0.0)
            expected = step.matrix(texts) @ weights
            assert step.scorer(hold_weights(weights))(texts).tobytes() == expected.tobytes()
            codes = np.where(left, rng.integers(-127, 128, shape), 0).astype(np.int8)
            scale = rng.uniform(0.001, 1, channels)
            expected = step.matrix(texts) @ (codes.astype(np.float64) * scale)
            assert step.scorer(hold_weights(codes, scale))(texts).tobytes() == expected.tobytes()


def test_weights_are_held_in_the_smaller_form():
    dense, few = np.ones((50, 4), np.int8), np.zeros((50, 40), np.int8)
    few[7, 3] = few[7, 39] = few[48, 0] = 5
    assert isinstance(hold_weights(dense), RowWeights)
    assert isinstance(hold_weights(dense * (np.arange(4) == 1)), RowWeights)
    held = hold_weights(few)
    assert isinstance(held, ListedWeights)
    assert held.starts.tolist() == [0] * 8 + [2] * 41 + [3] * 2
    assert held.entries.tolist() == [(3, 5), (39, 5), (0, 5)]
    assert isinstance(hold_weights(np.zeros((0, 3))), RowWeights)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(40, 50), (3, 2000), (300, 9), (1, 900), (900,)])
def test_codes_are_listed_straight_from_their_gaps(order, shape):
    rng = np.random.default_rng(0)
    weights = np.where(rng.random(shape) < 0.03, rng.normal(size=shape), 0.0)
    slot = Slot(Role.WEIGHT, channel_axis=0 if len(shape) == 2 else None)
    quantized = quantize_array(np.asarray(weights, order=order), Affine(8), slot)
    assert quantized.layout == "sparse"
    stored = stored_codes(quantized)
    held = hold_codes(stored)
    expected = hold_weights(np.atleast_2d(stored.dense()).T, held.scale)
    assert type(held) is type(expected)
    assert held.with_zeros().weights.tolist() == expected.with_zeros().weights.tolist()
    if isinstance(held, ListedWeights):
        assert held.starts.tolist() == expected.starts.tolist()
        assert held.entries.tolist() == expected.entries.tolist()
        part = held.of_terms(1, 3).with_zeros().weights
        assert part.tolist() == expected.with_zeros().weights[1:3].tolist()


def test_an_idf_of_infinity_needs_all_weights(scored):
    step, texts, _ = scored
    weights = np.zeros((step.n_columns, 40))
    weights[::9, 3] = 1.0
    held = hold_weights(weights)
    assert isinstance(held, ListedWeights)
    odd = replace(step, weighting=replace(step.weighting, idf=np.array([1.0, np.inf, 1.0, 1.0])))
    with np.errstate(invalid="ignore"):
        expected = odd.matrix(texts) @ weights
    assert np.isnan(expected).any()
    assert np.array_equal(odd.scorer(held)(texts), expected, equal_nan=True)


def test_weights_whose_rounding_is_not_reproduced_have_no_scorer(scored):
    step, _, _ = scored
    weights = np.ones((step.n_columns, 2))
    assert step.scorer(hold_weights(weights.astype(np.int8))) is None
    assert step.scorer(hold_weights(weights.astype(np.int8), np.ones(2, np.float32))) is None


def test_a_threshold_makes_values_ones(scored):
    step, texts, rng = scored
    weights = rng.normal(size=(step.n_columns, 2))
    matrix = step.matrix(texts)
    matrix.data = (matrix.data > 0.2).astype(float)
    matrix.eliminate_zeros()
    score = step.scorer(hold_weights(weights), threshold=0.2)
    assert score(texts).tobytes() == (matrix @ weights).tobytes()


@QUICK
@given(st.binary(max_size=40))
def test_the_hash_is_murmur(raw):
    from sklearn.utils.murmurhash import murmurhash3_bytes_s32

    data = np.frombuffer(raw, dtype=np.uint8)
    assert hash_counts.murmur(data) == murmurhash3_bytes_s32(raw, 0)


def test_words_of_all_widths_are_told_apart():
    texts = ["\u00e9t\u00e9 \u65e5\u672c\u8a9e \U0001d7d8\U0001d7d9 x\ud800y"]
    step = step_of(sorted(re.findall(r"\w+", texts[0])), Analysis(token_pattern=r"\w+"))
    assert step.matrix(texts).toarray().tolist() == [[1] * step.n_columns]
    assert symbol_ids.UNKNOWN == -1


@pytest.mark.parametrize("chosen", available_sets())
def test_a_count_beyond_the_table_of_logarithms_is_refused(chosen: str) -> None:
    def weigh(count: int) -> Array:
        values = np.zeros(1)
        compiled_kernels(chosen)["weigh"](
            np.array([count]), np.zeros(1, np.int32), np.array([0, 1]), False, True,
            np.array([-np.inf, 1.0, 1.7]), np.zeros(1, np.uint16), np.ones(1), 0, values,
        )  # fmt: skip
        return values

    assert weigh(2).tolist() == [1.7]
    for count in (3, -1):
        with pytest.raises(ValueError, match="the arguments do not fit each other"):
            weigh(count)
