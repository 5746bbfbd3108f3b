"""Every option of every ladder: it can be written and read, saves bytes, and answers."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from model_quantization.errors import SemanticError
from model_quantization.evaluation.answers import answer, answerable
from model_quantization.evaluation.distortion import WORST, distortion
from model_quantization.families.forest.ladders import harm_past_splits
from model_quantization.families.forest.trees import unpacking
from model_quantization.families.shared.kernel_functions import machine_kernel_of_node
from model_quantization.families.shared.process_kernels import kernel_of_node
from model_quantization.graph.growing import GrowingArrays
from model_quantization.graph.nodes import ObjectNode, PackedNode, attributes
from model_quantization.planning.ladders import ArrayLadder, ArrayStep, FamilyLadder, steps_of
from model_quantization.predictor.opening import load
from model_quantization.schemes.scheme import Affine, Float, Role, Slot
from tests.families.at_levels import Coarsened

ROWS, LABELS = make_classification(
    700, 20, n_informative=12, n_classes=3, n_clusters_per_class=1, random_state=0
)
NUMBERS, VALUES = make_regression(400, 8, n_informative=6, noise=4.0, random_state=0)
WORDS = [f"word{number:03d}" for number in range(400)]
_random = np.random.default_rng(0)
TEXTS = [
    " ".join([*_random.choice(WORDS, 12), *_random.choice(WORDS[label::3], 8)])
    for label in np.arange(300) % 3
]
TOPICS = np.arange(300) % 3


def _text(*steps: Any) -> Any:
    return make_pipeline(*steps, LogisticRegression()).fit(TEXTS, TOPICS)


def _network() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = MLPClassifier((24, 12), max_iter=40, random_state=0)
        return make_pipeline(StandardScaler(), layers).fit(ROWS, LABELS)


MAKERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "linear": (lambda: LogisticRegression().fit(ROWS, LABELS), ROWS),
    "network": (_network, ROWS),
    "forest": (lambda: RandomForestClassifier(12, random_state=0).fit(ROWS, LABELS), ROWS),
    "regression forest": (
        lambda: RandomForestRegressor(8, random_state=0).fit(NUMBERS, VALUES),
        NUMBERS,
    ),
    "histogram": (
        lambda: HistGradientBoostingClassifier(max_iter=12, random_state=0).fit(ROWS, LABELS),
        ROWS,
    ),
    "boosting": (
        lambda: GradientBoostingRegressor(n_estimators=40, random_state=0).fit(NUMBERS, VALUES),
        NUMBERS,
    ),
    "vectors": (lambda: SVC().fit(ROWS, LABELS), ROWS),
    "two classes": (lambda: SVC(kernel="poly").fit(ROWS, LABELS > 0), ROWS),
    "vector regression": (lambda: SVR(C=50.0).fit(NUMBERS, VALUES), NUMBERS),
    "neighbours": (lambda: KNeighborsClassifier().fit(ROWS, LABELS), ROWS),
    "process": (
        lambda: GaussianProcessRegressor(
            RBF(3.0) + WhiteKernel(0.1), optimizer=None, normalize_y=True
        ).fit(NUMBERS[:150], VALUES[:150]),
        NUMBERS,
    ),
    "text": (lambda: _text(TfidfVectorizer(ngram_range=(1, 2))), TEXTS),
    "counted text": (lambda: _text(CountVectorizer(), TfidfTransformer()), TEXTS),
}


@cache
def coarsened(name: str) -> Coarsened:
    return Coarsened.of(MAKERS[name][0]())


@pytest.mark.parametrize("name", MAKERS)
def test_every_option_can_be_written_read_and_asked(name: str) -> None:
    made, rows = coarsened(name), MAKERS[name][1]
    methods = answerable(made.model)
    original = answer(made.model, rows, methods)
    assert made.ladders
    for ladder in made.ladders:
        for level in ladder.levels:
            data = made.artifact({ladder.key: level})
            quantized = load(data)
            assert not quantized.artifact.manifest["model"]["exact"] or ladder.levels[0] == level
            found = answer(quantized, rows, methods)
            assert distortion(original, found).value < WORST
            restored = answer(quantized.restore(), rows, methods)
            for key, values in found.arrays.items():
                if values.dtype.kind == "f":
                    np.testing.assert_allclose(values, restored.arrays[key], rtol=1e-6, atol=1e-7)
                else:
                    np.testing.assert_array_equal(values, restored.arrays[key])


@pytest.mark.parametrize("name", MAKERS)
def test_coarser_levels_take_fewer_bytes_and_change_more(name: str) -> None:
    made, rows = coarsened(name), MAKERS[name][1]
    methods = answerable(made.model)
    original = answer(made.model, rows, methods)
    for ladder in made.ladders:
        levels = [level for level in ladder.levels if "array" not in level]
        if any("rotated" in level for level in levels):  # bits, then steps along other axes
            levels = [level for level in levels if "rotated" in level]
        sizes = [len(made.artifact({ladder.key: level})) for level in levels]
        for before, after in pairwise(sizes):
            assert after <= before * 1.02 + 40, (ladder.key, levels, sizes)
        assert sizes[-1] < sizes[0], (ladder.key, sizes)
        first, last = (
            distortion(original, answer(load(made.artifact({ladder.key: level})), rows, methods))
            for level in (levels[0], levels[-1])
        )
        assert first.value <= last.value + 1e-9, ladder.key


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_levels_give_the_same_bytes_and_leave_the_model_alone(name: str) -> None:
    made = coarsened(name)
    before = pickle.dumps(made.prepared.graph)
    levels = {ladder.key: ladder.levels[-1] for ladder in made.ladders}
    first = made.artifact(levels)
    assert Coarsened.of(made.model).artifact(levels) == first == made.artifact(levels)
    assert pickle.dumps(made.prepared.graph) == before
    plan = made.plan(levels)
    assert not plan.exact and plan.precision[0].isdigit()


def test_ladders_name_the_parts_that_families_round() -> None:
    expected = {
        "forest": {":thresholds", ":subtrees"},
        "regression forest": {":thresholds", ":subtrees", ":leaves"},
        "histogram": {":thresholds", ":leaves"},
        "boosting": {":thresholds", ":leaves"},
        "vectors": {":vectors"},
        "process": {":rows"},
        "neighbours": {":rows"},
        "text": {":vocabulary"},
        "network": set(),
    }
    for name, keys in expected.items():
        found = {each.key for each in coarsened(name).ladders if isinstance(each, FamilyLadder)}
        assert found == keys, name
    network = coarsened("network").ladders
    layers = [each.name for each in network if isinstance(each, ArrayLadder)][-3:]
    assert layers == ["coefs_/0", "coefs_/1", "coefs_/2"]


# Steps of arrays ----------------------------------------------------------------------------


def test_half_bits_are_wider_steps_of_the_next_whole_number() -> None:
    steps = {str(step): step for step in steps_of(Slot(Role.WEIGHT, channel_axis=0), (4, 100))}
    assert steps["4.5 bits/channel"] == ArrayStep(Affine(5), 2**0.5)
    assert steps["int4/array"] == ArrayStep(Affine(4, "array"))
    assert steps["float32"] == ArrayStep(Float(32))
    made = coarsened("linear")
    key, _ = made.levels_of("coef_")
    sizes = [
        len(np.unique(load(made.artifact({key: level})).restore().coef_[0]))
        for level in ("int5/channel", "4.5 bits/channel", "int4/channel")
    ]
    assert sizes[0] >= sizes[1] >= sizes[2]


@pytest.mark.parametrize("role", [Role.BIAS, Role.LABEL, Role.STATISTIC, Role.CALIBRATION])
def test_what_must_stay_exact_has_no_ladder_that_rounds(role: Role) -> None:
    assert steps_of(Slot(role), (1000,)) == ()


# Families -----------------------------------------------------------------------------------


def test_a_process_answers_its_deviation_although_the_factor_is_left_out() -> None:
    made = coarsened("process")
    key, levels = made.levels_of(":rows")
    quantized = load(made.artifact({key: "8 bits"}))
    restored = quantized.restore()
    assert "L_" not in vars(restored)
    mean, deviation = restored.predict(NUMBERS, return_std=True)
    expected_mean, expected = made.model.predict(NUMBERS, return_std=True)
    np.testing.assert_allclose(deviation, expected, rtol=0.02)
    assert np.square(mean - expected_mean).mean() < 1e-3 * expected_mean.var()
    plain = quantized.restore(as_scikit_learn=True)
    assert type(plain) is GaussianProcessRegressor and "L_" in vars(plain)
    again = pickle.loads(pickle.dumps(restored))
    np.testing.assert_array_equal(again.predict(NUMBERS, return_std=True)[1], deviation)
    assert len(levels) == 7


KERNELS = [
    RBF(2.0),
    RBF(np.linspace(1, 3, 8)),
    ConstantKernel(2.0) * Matern(1.5, nu=0.5) + WhiteKernel(0.1),
    Matern(1.5, nu=1.5) ** 2,
    Matern(1.5, nu=2.5),
    Matern(1.5, nu=np.inf),
    RationalQuadratic(1.2, 0.7),
    DotProduct(0.5) * ExpSineSquared(1.1, 2.0),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_kernels_are_those_of_scikit_learn(kernel: Any) -> None:
    from model_quantization.estimators.capture import capture
    from model_quantization.trust import TrustPolicy

    graph = capture(
        GaussianProcessRegressor(kernel, alpha=20.0, optimizer=None).fit(NUMBERS[:40], VALUES[:40]),
        TrustPolicy(),
    )
    assert isinstance(graph.root, ObjectNode)
    function = kernel_of_node(attributes(graph.root)["kernel_"], GrowingArrays(graph.arrays))
    assert function is not None
    np.testing.assert_allclose(
        function.plain(NUMBERS[:9], NUMBERS[9:30]), kernel(NUMBERS[:9], NUMBERS[9:30]), rtol=1e-9
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly", "sigmoid"])
def test_machines_are_solved_with_their_own_kernel(kernel: str) -> None:
    made = Coarsened.of(SVC(kernel=kernel, coef0=0.3, degree=2).fit(ROWS[:200], LABELS[:200]))
    key, _ = made.levels_of(":vectors")
    found = load(made.artifact({key: "16 bits"})).decision_function(ROWS)
    np.testing.assert_allclose(found, made.model.decision_function(ROWS), atol=0.01)
    assert machine_kernel_of_node({"kernel": "precomputed"}) is None


def test_solved_coefficients_are_nearer_than_those_that_were_left() -> None:
    from model_quantization.families.shared.solved_vectors import _solved

    model = SVC(C=5.0).fit(ROWS[:300], LABELS[:300])
    function = machine_kernel_of_node({"kernel": "rbf", "_gamma": float(model._gamma)})
    assert function is not None
    kernel = function.plain
    rows = model.support_vectors_
    step = np.ptp(rows, axis=0) / 10
    rounded = np.rint(rows / step) * step
    solved = _solved(kernel, rows, rounded, model._dual_coef_, model._n_support)
    wanted = kernel(rows, rows) @ model._dual_coef_.T

    def error(coefficients: Any) -> float:
        return float(np.square(kernel(rows, rounded) @ coefficients.T - wanted).sum())

    assert error(solved) < error(model._dual_coef_)


def test_rows_along_their_own_axes_keep_distances() -> None:
    made = coarsened("neighbours")
    key, levels = made.levels_of(":rows")
    finest = next(level for level in levels if "rotated" in level)
    restored = load(made.artifact({key: finest})).restore()
    assert restored._fit_X.shape == ROWS.shape and restored._fit_X.dtype == ROWS.dtype
    spread = np.sqrt(np.square(ROWS - ROWS.mean(axis=0)).mean())
    assert np.sqrt(np.square(restored._fit_X - ROWS).mean()) < 0.04 * spread
    tree = KNeighborsClassifier(algorithm="kd_tree").fit(ROWS, LABELS)
    assert not [each for each in Coarsened.of(tree).ladders if each.key.endswith(":rows")]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rotated.step", 0.0),
        ("rotated.step", float("nan")),
        ("rotated.dtype", "<i8"),
        ("rotated.order", "K"),
        ("rotated.basis", None),
        ("rotated.block0", None),
        ("rotated.mean", 3),
    ],
)
def test_rotated_rows_that_do_not_fit_are_refused(part: str, value: Any) -> None:
    from model_quantization.families.shared import rotated_rows

    made = coarsened("neighbours")
    key, levels = made.levels_of(":rows")
    plan = made.plan({key: levels[-1]})
    assert isinstance(plan.graph.root, PackedNode)
    parts = {**dict(plan.graph.root.parts), part: value}
    hostile = PackedNode("neighbors", plan.graph.root.type, tuple(parts.items()))
    with pytest.raises(SemanticError, match="does not fit the others"):
        rotated_rows.unpack(hostile, GrowingArrays(plan.graph.arrays))


def test_a_shorter_vocabulary_says_what_transform_gives() -> None:
    made = coarsened("text")
    key, levels = made.levels_of(":vocabulary")
    for level in levels:
        plan = made.plan({key: level})
        assert any("the vocabulary keeps" in note for note in plan.graph.notes)
        quantized = load(made.artifact({key: level}))
        restored = quantized.restore()
        vectorizer, model = restored[0], restored[-1]
        names = vectorizer.get_feature_names_out()
        assert model.coef_.shape[1] == len(names) == model.n_features_in_
        assert vectorizer.transform(TEXTS[:3]).shape == (3, len(names))
        share = int(level.partition("%")[0]) / 100
        assert len(names) == round(share * len(made.model[0].get_feature_names_out()))
        old = dict(zip(made.model[0].get_feature_names_out(), made.model[0].idf_, strict=True))
        before = np.array([old[name] for name in names])
        assert (vectorizer.idf_ > before - 0.02).all()
        held = set(" ".join(set(old) - set(names)).split())
        untouched = [name not in held for name in names]
        np.testing.assert_array_equal(vectorizer.idf_[untouched], before[untouched])


def test_a_shorter_vocabulary_keeps_the_scores_of_new_documents() -> None:
    """Terms that went are made up for: scores are neither larger nor smaller on the whole."""
    random = np.random.default_rng(3)
    words = np.array([f"w{at}" for at in range(3000)])
    chance = 1 / (10 + np.arange(3000))

    def documents(count: int) -> tuple[list[str], Any]:
        topics = np.arange(count) % 2
        own = [chance * np.where(np.arange(3000) % 3 == topic, 3.0, 1.0) for topic in (0, 1)]
        drawn = [random.choice(words, 25, p=own[topic] / own[topic].sum()) for topic in topics]
        return [" ".join(each) for each in drawn], topics

    texts, topics = documents(1500)
    new, _ = documents(600)
    steps = TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10.0)
    made = Coarsened.of(make_pipeline(*steps).fit(texts, topics))
    key, _ = made.levels_of(":vocabulary")
    before = made.model.decision_function(new)
    for share in (70, 40, 20):
        after = load(made.artifact({key: f"{share}% of the terms"})).decision_function(new)
        slope = float(before @ after / (before @ before))
        assert 0.93 < slope < 1.07
        assert np.corrcoef(before, after)[0, 1] > 0.97


def test_a_vocabulary_that_the_caller_gave_stays_whole() -> None:
    made = Coarsened.of(_text(TfidfVectorizer(vocabulary=WORDS)))
    assert not [each for each in made.ladders if each.key.endswith(":vocabulary")]


def test_a_collapsed_forest_keeps_the_mean_of_its_leaves() -> None:
    made = coarsened("regression forest")
    key, levels = made.levels_of(":subtrees")
    nodes = [
        sum(tree.tree_.node_count for tree in load(made.artifact({key: level})).restore())
        for level in levels
    ]
    before = sum(tree.tree_.node_count for tree in made.model)
    assert nodes == sorted(nodes, reverse=True) and nodes[0] < before
    found = load(made.artifact({key: levels[-1]})).predict(NUMBERS)
    assert abs(found.mean() - made.model.predict(NUMBERS).mean()) < 0.05 * VALUES.std()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_example_of_every_family_can_be_made_coarser() -> None:
    from model_quantization.families import all_families
    from model_quantization.planning.ladders import base_levels

    for family in all_families():
        for example in family.examples():  # one by one: some fit one estimator again
            made = Coarsened.of(example.model)
            methods = answerable(example.model)
            original = answer(example.model, example.rows, methods)
            coarsest = {ladder.key: ladder.levels[-1] for ladder in made.ladders}
            for levels in (base_levels(made.ladders), coarsest):
                found = answer(load(made.artifact(levels)), example.rows, methods)
                assert set(found.failed) <= set(original.failed), (family.name, example.name)


def test_a_threshold_counts_by_what_its_sides_differ() -> None:
    from sklearn.tree import DecisionTreeClassifier

    model = RandomForestClassifier(5, max_depth=4, random_state=0).fit(ROWS, LABELS)
    made = Coarsened.of(model)
    root = made.prepared.graph.root
    assert isinstance(root, PackedNode)
    _, trees = unpacking.decode_packed(root, GrowingArrays(made.prepared.graph.arrays))
    expected: list[float] = []

    def leaves_below(tree: Any, node: int) -> list[Any]:
        if tree.children_left[node] < 0:
            return [tree.value[node][0] / tree.value[node].sum()]
        left, right = (
            leaves_below(tree, child[node]) for child in (tree.children_left, tree.children_right)
        )
        gap = np.mean(left, axis=0) - np.mean(right, axis=0)
        expected.append((len(left) + len(right)) * float(gap @ gap))
        return left + right

    for each in model.estimators_:
        assert isinstance(each, DecisionTreeClassifier)
        leaves_below(each.tree_, 0)
    assert np.allclose(sorted(harm_past_splits(trees)), sorted(expected))
