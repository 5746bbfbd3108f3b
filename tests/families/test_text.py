"""Vectorizers: packed, restored and answered fast, against scikit-learn over all of Unicode."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from model_quantization.errors import DroppedAttribute, SemanticError
from model_quantization.families import family_named, family_of
from model_quantization.families.lowered import Lowered
from model_quantization.graph.nodes import ArrayNode, PackedNode
from tests.families.component import treat

LETTERS = (
    "aabbcde AB\u00e9\u0130\u03a3\u00df\u01c5_09 \t\n,.'-\u0301\u2003\u3000\u65e5\U0001d7d8\ud800"
)
TEXT = st.text(st.one_of(st.sampled_from(LETTERS), st.characters()), max_size=40)
TEXTS = st.lists(TEXT, min_size=1, max_size=6)

SETTINGS = {
    "default": {},
    "bigrams": {"ngram_range": (1, 2)},
    "only pairs and triples": {"ngram_range": (2, 3), "lowercase": False},
    "single letters": {"token_pattern": r"(?u)\b\w+\b", "strip_accents": "unicode"},
    "own pattern": {"token_pattern": r"[a-z\u00e9]{2,}|\d", "strip_accents": "ascii"},
    "group": {"token_pattern": r"(\w\w)\w*", "ngram_range": (1, 2)},
    "stop words": {"stop_words": ["ab", "bb", "aa", "\u00e9a"], "ngram_range": (1, 2)},
    "characters": {"analyzer": "char", "ngram_range": (1, 3)},
    "long characters": {"analyzer": "char", "ngram_range": (2, 5), "strip_accents": "unicode"},
    "inside words": {"analyzer": "char_wb", "ngram_range": (2, 4)},
    "inside long words": {"analyzer": "char_wb", "ngram_range": (5, 5), "lowercase": False},
}
CORPUS = [
    "Aa bb ab, AB \u00c9a \u00c9\u0301 cde cde aab_9 bb",
    "\u0130stanbul \u03a3\u03b1\u03c2 stra\u00dfe \u01c5abc\tab  bb\n\n d e",
    "\u65e5\u672c\u8a9e \u65e5\u672c 00 0a \U0001d7d8\U0001d7d9 x\ud800y bb ab",
    "",
    "a  b\u2003\u2003c ab'ab ab-ab bcd ede dede cdcd aabbccdd 09 90",
]


def assert_same(found, expected):
    """Equal bit for bit, types included."""
    assert type(found) is type(expected)
    assert found.shape == expected.shape
    for part in ("data", "indices", "indptr"):
        mine, theirs = getattr(found, part), getattr(expected, part)
        assert mine.dtype == theirs.dtype
        assert mine.tobytes() == theirs.tobytes()


def quiet(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about inconsistent stop words
        return call(*args)


@pytest.fixture(scope="module")
def fitted():
    made = {}
    for name, options in SETTINGS.items():
        counts = quiet(CountVectorizer(**options).fit, CORPUS)
        tfidf = TfidfVectorizer(**options, sublinear_tf=True).fit(CORPUS)
        hashing = HashingVectorizer(**options, n_features=128)
        made[name] = [(model, treat(model)) for model in (counts, tfidf, hashing)]
    return made


@pytest.mark.parametrize("name", SETTINGS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(texts=TEXTS)
def test_matrices_are_scikit_learns_to_the_bit(fitted, name, texts):
    for model, treated in fitted[name]:
        try:
            expected = quiet(model.transform, texts)
        except UnicodeEncodeError:  # hashing a lone surrogate
            assert treated.lowered.methods["transform"](texts) is None
            continue
        assert_same(quiet(treated.restored.transform, texts), expected)
        found = treated.lowered.methods["transform"](texts)
        assert found is not None
        assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_hundred_thousand_strings(fitted, name):
    rng = np.random.default_rng(0)
    pool = np.array([ord(c) for c in LETTERS] + list(range(0x20, 0x3000)) + [0x1F600, 0x10FFFF])
    weights = np.where(np.arange(len(pool)) < len(LETTERS), 60.0, 1.0)
    codes = rng.choice(pool, size=(100_000, 24), p=weights / weights.sum())
    texts = ["".join(map(chr, row[: 1 + index % 24])) for index, row in enumerate(codes)]
    model, treated = fitted[name][1]
    assert_same(treated.lowered.methods["transform"](texts), quiet(model.transform, texts))


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "l1"},
        {"norm": None, "use_idf": False},
        {"dtype": np.float32, "sublinear_tf": True},
        {"binary": True, "smooth_idf": False},
        {"max_features": 9},
        {"min_df": 2},
        {"vocabulary": ["bb", "ab", "zz", "cde"]},
        {"vocabulary": {"bb": 1, "ab": 0, "bb ab": 2}, "ngram_range": (1, 2)},
        {"vocabulary": {"zz", "ab"}},
        {"stop_words": "english", "ngram_range": (1, 2)},
    ],
)
def test_weightings_and_vocabularies(options):
    texts = [*CORPUS, "ab ab ab bb bb ab the of and zz bb ab", "nothing known here", "ab " * 300]
    model = TfidfVectorizer(**options).fit(CORPUS)
    treated = treat(model)
    assert isinstance(treated.graph.root, PackedNode)
    assert treated.restored.vocabulary_ == model.vocabulary_
    assert treated.restored.get_params() == model.get_params()
    kinds = {type(column) for column in model.vocabulary_.values()}
    assert {type(column) for column in treated.restored.vocabulary_.values()} == kinds
    expected = model.transform(texts)
    assert_same(treated.restored.transform(texts), expected)
    assert_same(treated.lowered.methods["transform"](texts), expected)


@pytest.mark.parametrize(
    "options",
    [
        {"alternate_sign": False, "norm": None, "binary": True},
        {"alternate_sign": True, "binary": True, "norm": "l1", "dtype": np.float32},
        {"n_features": 1 << 20, "ngram_range": (1, 2), "stop_words": "english"},
        {"n_features": 1, "norm": None},
    ],
)
def test_hashing(options):
    model = HashingVectorizer(**options)
    treated = treat(model)
    texts = [text.replace("\ud800", "") for text in CORPUS]
    assert_same(treated.lowered.methods["transform"](texts), model.transform(texts))
    assert treated.restored.get_params() == model.get_params()


def test_idf_is_held_as_document_frequencies():
    model = TfidfVectorizer().fit(CORPUS * 3)
    graph = treat(model).graph
    transformer = dict(graph.root.parts)["_tfidf"]
    parts = dict(transformer.parts)
    assert "idf_" not in parts
    counts = graph.arrays[parts["idf.counts"].array]
    assert counts.dtype == np.uint8
    assert parts["idf.total"] == 16
    model.idf_ = np.linspace(1, 2, len(model.vocabulary_))
    treated = treat(model)
    assert "idf_" in dict(treated.graph.root.parts)["_tfidf"].state.keys.items
    assert_same(treated.lowered.methods["transform"](CORPUS), model.transform(CORPUS))


def test_old_residue_is_dropped_and_says_so():
    model = CountVectorizer().fit(CORPUS)
    model.stop_words_ = {"left", "out"}
    restored = treat(model).restored
    with pytest.raises(DroppedAttribute, match="stop_words_"):
        _ = restored.stop_words_


@pytest.mark.parametrize("stop_words", ["english", ["ab"]])
def test_the_address_of_stop_words_is_dropped(stop_words):
    model = HashingVectorizer(stop_words=stop_words, n_features=16)
    model.transform(["ab cd"])
    assert "_stop_words_id" in vars(model)
    treated = treat(model)
    assert "_stop_words_id" in treated.graph.dropped
    assert "_stop_words_id" not in vars(treated.restored)


def spaced(text):
    return [token.strip() for token in text.split(",")]


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": spaced, "token_pattern": None},
        {"preprocessor": str.upper, "lowercase": False}
        | {"preprocessor": spaced, "analyzer": spaced},
        {"dtype": np.int16},
    ],
)
def test_functions_of_the_users_are_left_to_the_real_vectorizer(options):
    model = quiet(CountVectorizer(**options).fit, CORPUS)
    treated = treat(model, trusted=(f"{spaced.__module__}:spaced",))
    assert treated.lowered is None
    assert_same(quiet(treated.restored.transform, CORPUS), quiet(model.transform, CORPUS))


def test_terms_that_are_no_paths_and_columns_that_are_no_permutation():
    texts = ["a, " + " ".join("bcdefghijklmnop") + ", , c d"]
    model = CountVectorizer(tokenizer=spaced, token_pattern=None).fit(texts)
    treated = treat(model, trusted=(f"{spaced.__module__}:spaced",))
    assert treated.restored.vocabulary_ == model.vocabulary_
    odd = CountVectorizer().fit(CORPUS)
    odd.vocabulary_ = {term: column // 2 for term, column in odd.vocabulary_.items()}
    treated = treat(odd)
    assert treated.restored.vocabulary_ == odd.vocabulary_
    assert treated.lowered is None
    odd.vocabulary_ = {term: 3 * column for term, column in odd.vocabulary_.items()}
    with pytest.raises(SemanticError, match="a column of a term is out of range"):
        treat(odd)


def test_the_names_of_a_dict_vectorizer():
    rows = [{"city": "Oslo", "size": 3, "tags": ["a", "b"]}, {"city": "Rome", "m2": 1.5}] * 5
    for sort in (True, False):
        model = DictVectorizer(sort=sort).fit(rows)
        treated = treat(model)
        assert isinstance(treated.graph.root, PackedNode) == (len(model.vocabulary_) > 0)
        assert treated.restored.feature_names_ == model.feature_names_
        assert treated.restored.vocabulary_ == model.vocabulary_
        assert_same(treated.restored.transform(rows), model.transform(rows))


# What comes behind a vectorizer -------------------------------------------------------------

LABELS = ["x", "y", "x", "z", "y"]


def fused(steps):
    """The predictor of a pipeline: every step absorbs the one before."""
    lowered = None
    for step in steps:
        after = treat(step).lowered
        lowered = after if lowered is None else after.absorb(lowered)
        assert isinstance(lowered, Lowered)
    return lowered


@pytest.mark.parametrize("classifier", [MultinomialNB(), ComplementNB(), BernoulliNB()])
@pytest.mark.parametrize(
    "steps",
    [
        (CountVectorizer(ngram_range=(1, 2)),),
        (CountVectorizer(binary=True), TfidfTransformer(sublinear_tf=True)),
        (TfidfVectorizer(dtype=np.float32),),
        (HashingVectorizer(alternate_sign=False, norm=None, n_features=64), TfidfTransformer()),
        (make_union(TfidfVectorizer(), CountVectorizer(analyzer="char", dtype=float)),),
    ],
)
def test_naive_bayes_answers_from_text_to_the_bit(steps, classifier):
    corpus = [text.replace("\ud800", "") for text in CORPUS]
    model = make_pipeline(*steps, classifier).fit(corpus, LABELS)
    lowered = fused([step for _, step in model.steps])
    assert lowered.input == "text"
    texts = [*corpus, "ab bb unknown", ""]
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found = lowered.methods[method](texts)
        expected = getattr(model, method)(texts)
        assert np.array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_what_a_transformer_cannot_take_in():
    counts = CountVectorizer().fit_transform(CORPUS)
    transformer = treat(TfidfTransformer().fit(counts)).lowered
    assert transformer.methods["transform"](np.ones((1, counts.shape[1]))) is None
    already = treat(TfidfVectorizer().fit(CORPUS)).lowered
    assert transformer.absorb(already) is None
    other = treat(CountVectorizer().fit(["one two three"])).lowered
    assert transformer.absorb(other) is None
    assert transformer.absorb(Lowered({}, by="nothing", names=())) is None
    signed = treat(HashingVectorizer(norm=None, n_features=counts.shape[1])).lowered
    logs = treat(TfidfTransformer(sublinear_tf=True).fit(abs(counts))).lowered
    assert logs.absorb(signed) is None


def test_a_union_of_text_with_weights_or_beside_dense_columns_is_not_lowered():
    parts = [("a", CountVectorizer()), ("b", TfidfVectorizer())]
    weighed = FeatureUnion(parts, transformer_weights={"a": 2.0}).fit(CORPUS)
    directions = make_pipeline(CountVectorizer(), TruncatedSVD(2, random_state=0))
    beside = FeatureUnion([*parts, ("c", directions)]).fit(CORPUS)
    for union in (weighed, beside):
        treated = treat(union)
        assert treated.lowered is None
        assert (treated.restored.transform(CORPUS) != union.transform(CORPUS)).nnz == 0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_dropped_part_of_a_union_leaves_no_columns(place):
    parts = [("a", CountVectorizer()), ("b", TfidfVectorizer())]
    parts.insert(place, ("c", "drop"))
    union = FeatureUnion(parts).fit(CORPUS)
    found, expected = treat(union).lowered.methods["transform"](CORPUS), union.transform(CORPUS)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert (found != expected).nnz == 0


# Hostile files ------------------------------------------------------------------------------


class Held(list):
    def add(self, array):
        self.append(array)
        return len(self) - 1


def packed_example():
    held = Held()
    options = {"ngram_range": (1, 2), "vocabulary": ["bb", "ab", "bb ab", "c", "d", "e", "f", "g"]}
    graph = treat(CountVectorizer(**options).fit(CORPUS)).graph
    held.extend(graph.arrays)
    return graph.root, held


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("terms.gaps", None, "missing or no array"),
        ("terms.split", "-", "unknown joint"),
        ("terms.item", "<f8", "unknown type of columns"),
        ("terms.columns", np.arange(3), "another number of columns than of terms"),
        ("terms.columns", np.array(["x"] * 8), "another number of columns than of terms"),
        ("terms.vocabulary", "deque", "unknown container"),
    ],
)
def test_broken_parts_are_refused(part, value, message):
    node, held = packed_example()
    parts = dict(node.parts)
    parts[part] = ArrayNode(held.add(value)) if isinstance(value, np.ndarray) else value
    with pytest.raises(SemanticError, match=re.escape(message)):
        family_named("text").unpack(replace(node, parts=tuple(parts.items())), held)


def families_in(model):
    """The family of a model; of a pipeline, those of its steps."""
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    kinds = [type(step) for step in steps]
    return [family_of(f"{kind.__module__}:{kind.__qualname__}").name for kind in kinds]


@pytest.mark.parametrize("family", ["text", "union", "bayes", "encoders"])
def test_examples_belong_to_their_family_and_come_back(family):
    for example in family_named(family).examples():
        treated = treat(example.model)
        assert family in families_in(example.model)
        method = "predict_proba" if hasattr(example.model, "predict_proba") else "transform"
        expected = getattr(example.model, method)(example.rows)
        answers = [getattr(treated.restored, method)(example.rows)]
        if treated.lowered is not None and method in treated.lowered.methods:
            fast = treated.lowered.methods[method](example.rows)
            answers += [] if fast is None else [fast]
        for answer in answers:
            if hasattr(expected, "indptr"):
                assert (answer != expected).nnz == 0
            else:
                assert np.array_equal(answer, expected)


@pytest.mark.parametrize(
    "steps",
    [
        (TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),),
        (CountVectorizer(), TfidfTransformer(norm=None)),
        (HashingVectorizer(n_features=50),),
    ],
)
@pytest.mark.parametrize(
    "model", [LogisticRegression(), LinearSVC(), Ridge(), SGDClassifier(loss="log_loss")]
)
def test_a_pipeline_is_one_predictor_with_linear_scores_to_the_bit(steps, model):
    corpus = [text.replace("\ud800", "") for text in CORPUS]
    target = [1.0, 2.0, 1.0, 3.0, 2.0] if isinstance(model, Ridge) else LABELS
    pipeline = make_pipeline(*steps, model).fit(corpus, target)
    lowered = treat(pipeline).lowered
    assert lowered.input == "text"
    texts = [*corpus, "ab bb unknown", ""]
    exact = {"predict", "decision_function"} & set(lowered.methods)
    for method in lowered.methods:
        found, expected = lowered.methods[method](texts), getattr(pipeline, method)(texts)
        assert np.array_equal(found, expected) if method in exact else np.allclose(found, expected)


def test_text_before_what_cannot_take_it_in_is_not_lowered():
    pipeline = make_pipeline(TfidfVectorizer(), KMeans(2, n_init=1)).fit(CORPUS)
    assert treat(pipeline).lowered is None


@pytest.mark.parametrize("feeding", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize(
    "vectorizer",
    [TfidfVectorizer(ngram_range=(1, 2)), CountVectorizer(dtype=np.float32, binary=True)],
)
def test_a_chain_answers_from_text_to_the_bit(vectorizer, feeding):
    labels = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
    chain = ClassifierChain(LogisticRegression(C=30), order=[1, 2, 0], chain_method=feeding)
    texts = [*CORPUS, "ab bb unknown", "cde"]
    model = make_pipeline(vectorizer, chain).fit(CORPUS, labels)
    lowered = treat(model).lowered
    assert lowered.input == "text"
    for method in ("predict", "predict_proba", "decision_function"):
        found, expected = lowered.methods[method](texts), getattr(model, method)(texts)
        assert np.array_equal(found, expected)
    numbers = make_pipeline(vectorizer, RegressorChain(Ridge(), order=[2, 0, 1]))
    numbers.fit(CORPUS, labels * 1.5)
    assert np.array_equal(treat(numbers).lowered.methods["predict"](texts), numbers.predict(texts))


def test_several_targets_answer_from_text_to_the_bit():
    labels = np.array([[0, 1], [1, 0], [2, 1], [0, 0], [1, 0]])
    model = make_pipeline(TfidfVectorizer(), MultiOutputClassifier(LogisticRegression()))
    model.fit(CORPUS, labels)
    lowered = treat(model).lowered
    assert np.array_equal(lowered.methods["predict"](CORPUS), model.predict(CORPUS))
    pairs = zip(lowered.methods["predict_proba"](CORPUS), model.predict_proba(CORPUS), strict=True)
    assert all(np.allclose(found, expected, rtol=1e-12) for found, expected in pairs)


def test_a_chain_that_text_cannot_be_summed_for_is_not_lowered():
    labels = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [1, 0]])
    for last in (ClassifierChain(MultinomialNB()), ClassifierChain(DecisionTreeClassifier())):
        assert treat(make_pipeline(CountVectorizer(), last).fit(CORPUS, labels)).lowered is None


@pytest.mark.parametrize("last", [LogisticRegression(), MultinomialNB()])
def test_several_threads_give_the_same_bits(last):
    from model_quantization.api import ModelQuantizer

    model = make_pipeline(TfidfVectorizer(), last).fit(CORPUS, LABELS)
    made, _ = ModelQuantizer(bit_depth="exact").quantize_model(model)
    texts = CORPUS * 120
    assert made.predict_proba(texts, n_jobs=2).tobytes() == made.predict_proba(texts).tobytes()
    assert made.predict(CORPUS, n_jobs=-1).tolist() == made.predict(CORPUS).tolist()
    odd = np.array(texts)  # left to the restored estimator, which has no such option
    assert made.predict(iter(odd), n_jobs=2).tolist() == made.predict(texts).tolist()


@pytest.mark.parametrize("count", [254, 255, 256, 257, 511, 512])
def test_a_term_that_is_as_frequent_as_the_table_of_logarithms_is_long(count: int) -> None:
    labels = [len(text) % 2 for text in CORPUS]
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit(CORPUS)
    model = make_pipeline(
        vectorizer, LogisticRegression().fit(vectorizer.transform(CORPUS), labels)
    )
    word = vectorizer.get_feature_names_out()[0]
    document = " ".join([word] * count)
    lowered = treat(model).lowered
    assert lowered is not None
    found = lowered.methods["predict_proba"]([document])
    np.testing.assert_array_equal(found, model.predict_proba([document]))
