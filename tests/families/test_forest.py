"""Forests, bit for bit: packed and restored, packed and answered by the kernels."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble, tree
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression

from model_quantization.errors import DroppedAttribute, SemanticError
from model_quantization.estimators.capture import capture
from model_quantization.estimators.restore import restore
from model_quantization.families import Lowered, NotFast
from model_quantization.families.forest import coarsen, unpack
from model_quantization.families.forest.kinds import KINDS
from model_quantization.families.forest.trees.reading import within
from model_quantization.graph.nodes import (
    ArrayNode,
    ModelGraph,
    Node,
    ObjectNode,
    PackedNode,
    RecordArrayNode,
    attributes,
)
from model_quantization.graph.traversal import walk
from model_quantization.kernels.trees.tree_pack import floor_float32
from model_quantization.loading.pickles.migrations.deferred import TREE, Deferred
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.trust import TrustPolicy
from tests.families.component import treat

# What the preprocessor of a histogram model with categories holds.
TRUST = TrustPolicy(frozenset({"functools:partial", "sklearn.utils.validation:check_array"}))
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "apply",
)
RESTORED_ONLY = ("decision_path", "staged_predict", "staged_predict_proba", "transform")

few = settings(deadline=None, derandomize=True, max_examples=12)


class Arrays(list[np.ndarray]):
    """Arrays that more can be added to."""

    def add(self, array: np.ndarray) -> int:
        self.append(array)
        return len(self) - 1


def packed_graph(model: Any) -> ModelGraph:
    graph = prepare_graph(capture(model, TRUST)).graph
    assert isinstance(graph.root, PackedNode)
    return graph


def asked(graph: ModelGraph) -> Lowered | NotFast:
    return ComponentView(graph.root, Context.of(graph.root, graph.arrays)).lower(exact=True)


def lowered(graph: ModelGraph) -> Lowered:
    assert isinstance(graph.root, PackedNode)
    found = asked(graph)
    assert isinstance(found, Lowered)
    return found


def restored(graph: ModelGraph) -> Any:
    return restore(graph.root, graph.arrays, TRUST)


def same_bits(left: Any, right: Any) -> bool:
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_bits, left, right))
    if hasattr(left, "toarray"):
        left, right = left.toarray(), right.toarray()
    mine, theirs = np.asarray(left), np.asarray(right)
    if mine.dtype != theirs.dtype or mine.shape != theirs.shape:
        return False
    if mine.dtype.kind in "OUS":
        return bool((mine == theirs).all())
    return np.ascontiguousarray(mine).tobytes() == np.ascontiguousarray(theirs).tobytes()


def check(model: Any, rows: np.ndarray, *, fast: int | None = None) -> None:
    """Restored and fast answers are the model's, for many rows, one, and odd memory layouts."""
    graph = packed_graph(model)
    again, methods = restored(graph), lowered(graph).methods
    asked = 0
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore")
        for name in (*METHODS, *RESTORED_ONLY):
            if not hasattr(model, name):
                continue
            for some in (rows, rows[:1], np.asfortranarray(rows[:9]), rows[::3, :]):
                expected = getattr(model, name)(some)
                mine = getattr(again, name)(some)
                if name.startswith("staged"):
                    assert all(map(same_bits, list(expected), list(mine))), name
                    continue
                if name == "decision_path" and isinstance(expected, tuple):
                    expected, mine = expected[0], mine[0]
                assert same_bits(expected, mine), name
                if name in methods:
                    answer = methods[name](some)
                    assert answer is not None, name
                    assert same_bits(expected, answer), name
            asked += name in methods
    assert fast is None or asked == fast


def classes_data(n_classes: int = 3, n: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = make_classification(
        n, 6, n_informative=5, n_redundant=0, n_classes=n_classes, flip_y=0.2, random_state=seed
    )
    return rows, labels


def values_data(n: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rows, values = make_regression(n, 6, n_informative=5, noise=20.0, random_state=seed)
    return rows, values


# Every shape ------------------------------------------------------------------------------

growth = {
    "max_depth": st.sampled_from([None, 1, 3]),
    "max_leaf_nodes": st.sampled_from([None, 2, 9]),
    "min_samples_leaf": st.sampled_from([1, 7]),
    "random_state": st.integers(0, 5),
}


@few
@given(
    kind=st.sampled_from(
        [
            ensemble.RandomForestClassifier,
            ensemble.ExtraTreesClassifier,
            tree.DecisionTreeClassifier,
            tree.ExtraTreeClassifier,
        ]
    ),
    params=st.fixed_dictionaries(
        {
            **growth,
            "criterion": st.sampled_from(["gini", "entropy"]),
            "class_weight": st.sampled_from([None, "balanced"]),
        }
    ),
    n_classes=st.integers(2, 4),
    text=st.booleans(),
)
def test_classifiers_of_every_shape(
    kind: Any, params: dict[str, Any], n_classes: int, text: bool
) -> None:
    rows, labels = classes_data(n_classes)
    named = np.array(["a", "bb", "ccc", "d"])[labels] if text else labels
    small = {"n_estimators": 9} if kind.__module__.endswith("_forest") else {}
    check(kind(**params, **small).fit(rows, named), rows, fast=4)


@few
@given(
    kind=st.sampled_from(
        [
            ensemble.RandomForestRegressor,
            ensemble.ExtraTreesRegressor,
            tree.DecisionTreeRegressor,
            tree.ExtraTreeRegressor,
        ]
    ),
    params=st.fixed_dictionaries({**growth, "criterion": st.just("squared_error")}),
    outputs=st.integers(1, 2),
)
def test_regressors_of_every_shape(kind: Any, params: dict[str, Any], outputs: int) -> None:
    rows, values = values_data()
    target = values if outputs == 1 else np.stack([values, -values.round(-1)], axis=1)
    small = {"n_estimators": 9} if kind.__module__.endswith("_forest") else {}
    check(kind(**params, **small).fit(rows, target), rows, fast=2)


@few
@given(
    loss=st.sampled_from(["log_loss", "exponential"]),
    params=st.fixed_dictionaries(
        {
            **growth,
            "learning_rate": st.sampled_from([0.1, 1.0]),
            "subsample": st.sampled_from([0.5, 1.0]),
            "init": st.sampled_from([None, "zero"]),
        }
    ),
    n_classes=st.integers(2, 3),
)
def test_boosted_classifiers(loss: str, params: dict[str, Any], n_classes: int) -> None:
    rows, labels = classes_data(2 if loss == "exponential" else n_classes)
    model = ensemble.GradientBoostingClassifier(loss=loss, n_estimators=9, **params)
    check(model.fit(rows, labels), rows.astype(np.float32), fast=5)


@few
@given(
    loss=st.sampled_from(["squared_error", "absolute_error", "huber", "quantile"]),
    params=st.fixed_dictionaries({**growth, "n_iter_no_change": st.sampled_from([None, 2])}),
)
def test_boosted_regressors(loss: str, params: dict[str, Any]) -> None:
    rows, values = values_data()
    model = ensemble.GradientBoostingRegressor(loss=loss, n_estimators=9, **params)
    check(model.fit(rows, values), rows, fast=1)


@few
@given(
    n_classes=st.integers(2, 3),
    gaps=st.booleans(),
    categorical=st.sampled_from([None, [0], [1, 3]]),
    leaves=st.sampled_from([2, 31, 80]),
    seed=st.integers(0, 5),
)
def test_histogram_classifiers(
    n_classes: int, gaps: bool, categorical: list[int] | None, leaves: int, seed: int
) -> None:
    rows, labels = classes_data(n_classes, 400, seed)
    rng = np.random.default_rng(seed)
    for column in categorical or []:
        rows[:, column] = rng.integers(0, 9, len(rows)) * 3
        labels = (labels + (rows[:, column] % 2).astype(int)) % n_classes
    asked = rows.copy()
    if gaps:
        rows[rng.random(rows.shape) < 0.1] = np.nan
        asked[rng.random(rows.shape) < 0.1] = np.nan
    for column in categorical or []:
        asked[:30, column] = rng.integers(-2, 40, 30)
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=8, max_leaf_nodes=leaves, min_samples_leaf=3, categorical_features=categorical,
        random_state=seed,
    )  # fmt: skip
    check(model.fit(rows, labels), asked, fast=3)


@pytest.mark.parametrize(
    ("loss", "extra"),
    [
        ("squared_error", {"monotonic_cst": [1, -1, 0, 0, 0, 0]}),
        ("absolute_error", {"early_stopping": True}),
        ("poisson", {"max_features": 0.5}),
        ("gamma", {}),
        ("quantile", {"quantile": 0.8}),
    ],
)
def test_histogram_regressors(loss: str, extra: dict[str, Any]) -> None:
    rows, values = values_data(300)
    target = np.abs(values) + 0.1
    model = ensemble.HistGradientBoostingRegressor(loss=loss, max_iter=9, random_state=0, **extra)
    check(model.fit(rows, target), np.vstack([rows, [[np.inf] * 6], [[-np.inf] * 6]]), fast=1)


def test_isolation_forests() -> None:
    rows, _ = values_data(300)
    asked = rows.copy()
    asked[0, 0] = np.nan
    for extra in ({}, {"contamination": 0.1, "max_features": 0.5}, {"max_samples": 1}):
        model = ensemble.IsolationForest(n_estimators=11, random_state=0, **extra)
        check(model.fit(rows), asked if not extra else rows, fast=3)


def test_bagged_trees() -> None:
    rows, labels = classes_data()
    for extra in ({}, {"max_features": 0.5, "bootstrap_features": True}, {"max_samples": 0.3}):
        model = ensemble.BaggingClassifier(n_estimators=7, random_state=0, **extra)
        check(model.fit(rows, labels), rows, fast=3)
    regressor = ensemble.BaggingRegressor(n_estimators=7, random_state=0)
    check(regressor.fit(*values_data()), rows, fast=1)


def test_boosted_votes_and_medians() -> None:
    for n_classes in (2, 3):
        rows, labels = classes_data(n_classes)
        for stump in (None, tree.DecisionTreeClassifier(max_depth=3)):
            model = ensemble.AdaBoostClassifier(stump, n_estimators=7, random_state=0)
            check(model.fit(rows, np.array(["x", "y", "z"])[labels]), rows, fast=4)
    rows, values = values_data()
    check(
        ensemble.AdaBoostRegressor(n_estimators=7, random_state=0).fit(rows, values), rows, fast=1
    )


def test_embeddings() -> None:
    rows, _ = values_data()
    model = ensemble.RandomTreesEmbedding(5, max_depth=3, random_state=0).fit(rows)
    check(model, rows, fast=2)
    found, expected = lowered(packed_graph(model)).methods["transform"](rows), model.transform(rows)
    assert type(found) is type(expected)
    for part in ("data", "indices", "indptr"):  # the matrix itself, not only its values
        assert same_bits(getattr(expected, part), getattr(found, part)), part
    dense = ensemble.RandomTreesEmbedding(4, max_depth=3, random_state=0, sparse_output=False)
    check(dense.fit(rows), rows, fast=1)  # `apply` alone
    member = restored(packed_graph(model)).estimators_[0]
    with pytest.raises(DroppedAttribute, match="the value of leaves was needed for training only"):
        member.predict(rows)


def test_many_outputs() -> None:
    rows, labels = classes_data(4)
    both = np.stack([labels, labels % 2], axis=1)
    for model in (
        tree.DecisionTreeClassifier(max_depth=4, random_state=0),
        ensemble.RandomForestClassifier(7, random_state=0),
    ):
        check(model.fit(rows, both), rows, fast=4)


def test_a_forest_of_single_nodes() -> None:
    rows, labels = classes_data()
    model = ensemble.RandomForestClassifier(3, min_samples_leaf=200, random_state=0)
    check(model.fit(rows, labels), rows, fast=4)
    assert (restored(packed_graph(model)).feature_importances_ == 0).all()


def test_missing_values_go_where_training_sent_them() -> None:
    rows, labels = classes_data(3, 300)
    rows[np.random.default_rng(0).random(rows.shape) < 0.2] = np.nan
    for model in (
        ensemble.RandomForestClassifier(9, random_state=0),
        ensemble.ExtraTreesClassifier(9, random_state=0),
        tree.DecisionTreeClassifier(max_depth=5, random_state=0),
    ):
        check(model.fit(rows, labels), rows, fast=4)
    # Trees that saw no missing value in training have an answer too: the larger side.
    whole = np.nan_to_num(rows)
    check(ensemble.RandomForestClassifier(9, random_state=0).fit(whole, labels), rows, fast=4)


def test_more_features_than_sixteen_bits_count() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(24, 70_000)).astype(np.float32)
    rows[:, :69_990] = 0
    labels = rng.integers(0, 2, 24)
    model = ensemble.RandomForestClassifier(3, max_features=None, random_state=0)
    graph = packed_graph(model.fit(rows, labels))
    assert graph.arrays[part(graph, "tree_features").array].dtype == np.uint32
    assert same_bits(model.predict_proba(rows), lowered(graph).methods["predict_proba"](rows))


def test_refused_rows_are_left_to_scikit_learn() -> None:
    rows, labels = classes_data()
    methods = lowered(packed_graph(ensemble.RandomForestClassifier(3).fit(rows, labels))).methods
    for bad in (np.inf, 1e300):
        broken = rows.copy()
        broken[3, 2] = bad
        for name in ("predict", "predict_proba", "predict_log_proba", "apply"):
            assert methods[name](broken) is None
            assert methods[name](broken[3:4]) is None
    boosted = lowered(
        packed_graph(ensemble.GradientBoostingClassifier(n_estimators=3).fit(rows, labels))
    )
    broken[3, 2] = np.nan
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "apply"):
        assert boosted.methods[name](broken) is None


@pytest.mark.parametrize("kind", [ensemble.RandomForestClassifier, ensemble.ExtraTreesRegressor])
def test_the_first_row_is_answered_like_all_others(kind: Any) -> None:
    rows, labels = classes_data(3)
    model = kind(11, random_state=0).fit(rows, labels)
    name = "predict_proba" if hasattr(model, "classes_") else "predict"
    graph = packed_graph(model)
    # Rows that lie on thresholds as well: there alone `<=` and `<` differ.
    trees = [member.tree_ for member in model.estimators_]
    edges = rows[:40].copy()
    for at, edge in enumerate(edges):
        root = trees[at % len(trees)]
        edge[root.feature[0]] = floor_float32(root.threshold[:1])[0]
    asked = np.vstack([rows[:10], edges])
    expected = getattr(model, name)(asked)
    for at in range(len(asked)):  # the first that a fresh predictor is asked, then the second
        answer = lowered(graph).methods[name]
        for _ in range(2):
            assert same_bits(expected[at : at + 1], answer(asked[at : at + 1]))
    model = kind(11, random_state=0).fit(np.where(rows > 1.5, np.nan, rows), labels)
    for odd in (np.nan, np.inf):
        row = np.where(np.arange(rows.shape[1]) == 1, odd, rows[:1])
        answer = lowered(packed_graph(model)).methods[name]
        if np.isnan(odd):
            assert same_bits(getattr(model, name)(row), answer(row))
        else:
            assert answer(row) is None


def test_several_threads_answer_the_same() -> None:
    rows, labels = classes_data(3, 1500)
    model = ensemble.RandomForestClassifier(9, n_jobs=2, random_state=0).fit(rows, labels)
    methods = lowered(packed_graph(model)).methods
    expected = model.set_params(n_jobs=1).predict_proba(rows)
    for jobs in (None, 1, 2, -1):
        assert same_bits(expected, methods["predict_proba"](rows, n_jobs=jobs))
        assert same_bits(model.apply(rows), methods["apply"](rows, n_jobs=jobs))


# What is not packed, or not answered -------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: ensemble.BaggingClassifier(LogisticRegression(), n_estimators=3),
        lambda: ensemble.AdaBoostClassifier(LogisticRegression(), n_estimators=3),
    ],
)
def test_ensembles_of_other_estimators_are_left_alone(make: Callable[[], Any]) -> None:
    model = make().fit(*classes_data())
    assert isinstance(prepare_graph(capture(model, TRUST)).graph.root, ObjectNode)


def test_what_has_no_order_of_addition_is_restored() -> None:
    rows, labels = classes_data()
    model = ensemble.BaggingClassifier(n_estimators=4, n_jobs=2, random_state=0).fit(rows, labels)
    graph = packed_graph(model)
    assert isinstance(asked(graph), NotFast)
    assert same_bits(model.predict_proba(rows), restored(graph).predict_proba(rows))


def test_boosting_from_a_model_of_its_own_is_restored() -> None:
    rows, values = values_data()
    model = ensemble.GradientBoostingRegressor(init=LinearRegression(), n_estimators=3)
    graph = packed_graph(model.fit(rows, values))
    assert isinstance(asked(graph), NotFast)
    assert same_bits(model.predict(rows), restored(graph).predict(rows))


# What the restored estimator knows ----------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        tree.DecisionTreeClassifier(max_depth=4),
        ensemble.RandomForestClassifier(7, random_state=0),
        ensemble.ExtraTreesClassifier(7, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=4),
        ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=4),
        ensemble.RandomTreesEmbedding(4, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_importances_keep_every_bit(model: Any) -> None:
    rows, labels = classes_data()
    again = restored(packed_graph(model.fit(rows, labels)))
    assert same_bits(model.feature_importances_, again.feature_importances_)


def test_the_restored_estimator_keeps_its_parameters() -> None:
    rows, labels = classes_data()
    model = ensemble.RandomForestClassifier(5, max_leaf_nodes=6, random_state=3)
    again = restored(packed_graph(model.fit(rows, labels)))
    assert again.get_params() == model.get_params()
    for mine, theirs in zip(again.estimators_, model.estimators_, strict=True):
        assert mine.get_params() == theirs.get_params()
        assert mine.get_depth() == theirs.get_depth()
        assert mine.get_n_leaves() == theirs.get_n_leaves()
        for name in ("children_left", "children_right", "feature"):
            assert same_bits(getattr(mine.tree_, name), getattr(theirs.tree_, name))


def test_a_dropped_value_says_so() -> None:
    rows, labels = classes_data()
    model = ensemble.RandomForestClassifier(3, random_state=0).fit(rows, labels)
    member = restored(packed_graph(model)).estimators_[0]
    for name in ("impurity", "n_node_samples", "weighted_n_node_samples", "value"):
        with pytest.raises(DroppedAttribute, match=f"tree_: {name} was needed for training only"):
            getattr(member.tree_, name)
    with pytest.raises(DroppedAttribute, match="importance of features in one tree"):
        _ = member.feature_importances_
    with pytest.raises(DroppedAttribute, match="number of training rows of each node"):
        member.tree_.compute_partial_dependence()
    copy = pickle.loads(pickle.dumps(member))
    assert same_bits(copy.predict_proba(rows), model.estimators_[0].predict_proba(rows))
    assert type(copy.tree_) is tree._tree.Tree  # it loads where this library is not installed


def test_a_restored_histogram_model_says_what_it_lacks() -> None:
    rows, labels = classes_data()
    model = ensemble.HistGradientBoostingClassifier(max_iter=2).fit(rows, labels)
    again = restored(packed_graph(model))
    predictor = again._predictors[0][0]
    with pytest.raises(DroppedAttribute, match="the bin of each threshold"):
        predictor.predict_binned(rows)
    with pytest.raises(DroppedAttribute, match="number of training rows of each node"):
        predictor.compute_partial_dependence(rows)
    with pytest.raises(DroppedAttribute, match="the bin edges of numerical features"):
        again._bin_mapper.transform(rows)
    assert predictor.get_max_depth() == model._predictors[0][0].get_max_depth()
    assert predictor.get_n_leaf_nodes() == model._predictors[0][0].get_n_leaf_nodes()


# Old pickles ------------------------------------------------------------------------------


def old_format(model: Any) -> tuple[ModelGraph, Any]:
    """The model as scikit-learn 1.2 saved it: no flag for missing values, counts at the leaves."""
    graph = capture(model, TRUST)
    arrays = Arrays(graph.arrays)

    def aged(node: Node) -> Node:
        if isinstance(node, ObjectNode) and node.type.endswith(":Tree"):
            state = attributes(node)
            records, values = state["nodes"], state["values"]
            assert isinstance(records, RecordArrayNode)
            assert isinstance(values, ArrayNode)
            at = records.names.index("weighted_n_node_samples")
            column = records.columns[at]
            assert isinstance(column, ArrayNode)
            counts = arrays[values.array] * arrays[column.array][:, None, None]
            kept = [n for n, name in enumerate(records.names) if name != "missing_go_to_left"]
            state["values"] = ArrayNode(arrays.add(np.rint(counts)))
            state["nodes"] = replace(
                records,
                names=tuple(records.names[n] for n in kept),
                columns=tuple(records.columns[n] for n in kept),
                offsets=tuple(records.offsets[n] for n in kept),
                itemsize=56,
            )
            assert isinstance(node.state, type(node.state))
            items = tuple(state[str(key)] for key in node.state.keys.items)  # type: ignore[union-attr]
            return replace(
                node,
                state=replace(node.state, values=replace(node.state.values, items=items)),  # type: ignore[union-attr,type-var,call-arg]
            )
        return node

    from model_quantization.graph.traversal import with_children_at

    def down(node: Node, path: str) -> Node:
        return aged(with_children_at(node, path, down))

    root = down(graph.root, "")
    return replace(graph, root=root, arrays=tuple(arrays)), arrays


@pytest.mark.parametrize(
    "model",
    [ensemble.RandomForestClassifier(5, random_state=0), tree.DecisionTreeClassifier(max_depth=4)],
    ids=["forest", "tree"],
)
def test_forests_of_the_old_format_answer_as_they_did(model: Any) -> None:
    rows, labels = classes_data()
    model.fit(rows, labels)
    graph, _ = old_format(model)
    again = prepare_graph(graph).graph
    assert same_bits(model.predict_proba(rows), restored(again).predict_proba(rows))
    assert same_bits(model.predict_proba(rows), lowered(again).methods["predict_proba"](rows))


def test_an_old_tree_is_made_of_its_state_as_data() -> None:
    rows, labels = classes_data()
    model = tree.DecisionTreeClassifier(max_depth=4, random_state=0).fit(rows, labels)
    _, args, state = model.tree_.__reduce__()
    names = [name for name in state["nodes"].dtype.names if name != "missing_go_to_left"]
    old = np.zeros(len(state["nodes"]), dtype=[(n, state["nodes"].dtype[n]) for n in names])
    for name in names:
        old[name] = state["nodes"][name]
    held = Deferred(TREE, args)
    held.__setstate__({**state, "nodes": old})
    model.tree_, expected = held.make(), model.predict_proba(rows)
    assert same_bits(model.predict_proba(rows), expected)
    graph = packed_graph(model)
    assert same_bits(restored(graph).predict_proba(rows), expected)


# 8 and 16 bits ----------------------------------------------------------------------------


def coarse(model: Any, bits: int) -> tuple[ModelGraph, str]:
    graph = packed_graph(model)
    arrays = Arrays(graph.arrays)
    assert isinstance(graph.root, PackedNode)
    root, why = coarsen(graph.root, arrays, bits)
    return replace(graph, root=root, arrays=tuple(arrays)), why


def test_eight_bits_keep_255_thresholds_a_feature() -> None:
    rows, labels = make_classification(3000, 4, n_redundant=0, flip_y=0.2, random_state=0)
    model = ensemble.RandomForestClassifier(12, random_state=0).fit(rows, labels)
    graph, why = coarse(model, 8)
    assert why.startswith("255 thresholds per feature")
    assert graph.arrays[part(graph, "tree_ranks").array].dtype == np.uint8
    assert graph.arrays[part(graph, "tree_table_sizes").array].max() <= 255
    answer = lowered(graph).methods["predict_proba"](rows)
    assert np.mean(answer.argmax(axis=1) == model.predict(rows)) > 0.98
    assert same_bits(answer, restored(graph).predict_proba(rows))
    same, why = coarse(model, 16)
    assert why == "nothing to round at 16 bits"
    assert same_bits(model.predict_proba(rows), lowered(same).methods["predict_proba"](rows))


@pytest.mark.parametrize(("bits", "error"), [(8, 0.03), (16, 2e-4)])
def test_leaf_codes_stay_close(bits: int, error: float) -> None:
    rows, values = values_data(1200)
    for model in (
        ensemble.HistGradientBoostingRegressor(max_iter=20, random_state=0),
        ensemble.GradientBoostingRegressor(n_estimators=120, random_state=0),
        tree.DecisionTreeRegressor(min_samples_leaf=2, random_state=0),
    ):
        expected = model.fit(rows, values).predict(rows)
        graph, why = coarse(model, bits)
        assert f"{bits}-bit leaves with one scale per tree" in why
        answer = lowered(graph).methods["predict"](rows)
        assert np.abs(answer - expected).max() < error * expected.std()
        assert same_bits(answer, restored(graph).predict(rows))


def test_fractions_of_weighted_leaves_are_rounded() -> None:
    rows, labels = classes_data(3, 900)
    model = ensemble.RandomForestClassifier(40, min_samples_leaf=5, random_state=0)
    model.fit(rows, labels, sample_weight=np.random.default_rng(0).random(900))
    graph, why = coarse(model, 8)
    assert "class fractions in 255 steps" in why
    answer = lowered(graph).methods["predict_proba"](rows)
    assert np.abs(answer - model.predict_proba(rows)).max() < 0.1
    assert same_bits(answer, restored(graph).predict_proba(rows))


# Hostile parts ----------------------------------------------------------------------------


def part(graph: ModelGraph, name: str) -> ArrayNode:
    assert isinstance(graph.root, PackedNode)
    node = dict(graph.root.parts)[name]
    assert isinstance(node, ArrayNode)
    return node


def forest_graph(most_leaves: int | None = 9) -> ModelGraph:
    rows, labels = classes_data()
    model = ensemble.RandomForestClassifier(5, max_leaf_nodes=most_leaves, random_state=0)
    return packed_graph(model.fit(rows, labels))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tree_splits", lambda a: a | 255, "bits that close 5 trees"),
        ("tree_splits", lambda a: a[:-1], "shape"),
        ("tree_features", lambda a: a + 200, "features below 6"),
        ("tree_features", lambda a: a[1:], "shape"),
        ("tree_features", lambda a: a.astype(float), "kind 'u'"),
        ("tree_thresholds", lambda a: a * np.nan, "no NaN"),
        ("tree_thresholds", lambda a: a[1:], "one per split|within the tables"),
        ("tree_missing_left", lambda a: a[1:], "shape"),
        ("tree_left", lambda a: a * 0, "a numbering of the nodes"),
        ("tree_right_gap", lambda a: a + 100, "a numbering of the nodes"),
        ("tree_counts", lambda a: a[:, 1:], "shape"),
        ("tree_leaves", lambda a: a * 0 + 99, "rows below"),
    ],
)
def test_hostile_parts_are_refused(name: str, change: Any, message: str) -> None:
    graph = forest_graph(None if name == "tree_leaves" else 9)
    arrays = Arrays(graph.arrays)
    arrays[part(graph, name).array] = change(arrays[part(graph, name).array])
    with pytest.raises(SemanticError, match=message) as caught:
        unpack(graph.root, arrays)  # type: ignore[arg-type]
    assert name.rpartition("_")[0][:4] in str(caught.value)
    broken = replace(graph, arrays=tuple(arrays))
    with pytest.raises(SemanticError, match=message):
        lowered(broken)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tree_count", 0, "a positive number"),
        ("tree_count", 6, "bits that close 6 trees"),
        ("tree_nodes", 10**9, "shape"),
        ("tree_make", None, "bin|n_features|forest|parts"),
        ("tree_type", "os:system", "the estimators around the trees"),
        ("tree_varying", None, "the estimators around the trees"),
    ],
)
def test_hostile_values_are_refused(name: str, value: Any, message: str) -> None:
    graph = forest_graph()
    assert isinstance(graph.root, PackedNode)
    parts = tuple((n, value if n == name else node) for n, node in graph.root.parts)
    with pytest.raises(SemanticError, match=message):
        unpack(replace(graph.root, parts=parts), Arrays(graph.arrays))


def test_another_class_is_no_forest() -> None:
    graph = forest_graph()
    assert isinstance(graph.root, PackedNode)
    with pytest.raises(SemanticError, match="not a forest"):
        unpack(replace(graph.root, type="sklearn.svm._classes:SVC"), Arrays(graph.arrays))


def test_hostile_leaf_codes_are_refused() -> None:
    rows, values = values_data(600)
    model = ensemble.GradientBoostingRegressor(n_estimators=60).fit(rows, values)
    graph, _ = coarse(model, 8)
    for name, bad in (("tree_scales", -1.0), ("tree_scales", np.inf), ("tree_centre", np.nan)):
        arrays = Arrays(graph.arrays)
        held = arrays[part(graph, name).array]
        arrays[part(graph, name).array] = np.full_like(held, bad)
        with pytest.raises(SemanticError, match="finite numbers above zero"):
            unpack(graph.root, arrays)  # type: ignore[arg-type]


# The packed form ----------------------------------------------------------------------------


def test_the_packed_form_is_small() -> None:
    rows, labels = classes_data(3, 600)
    model = ensemble.RandomForestClassifier(20, random_state=0).fit(rows, labels)
    graph = packed_graph(model)
    nodes = sum(member.tree_.node_count for member in model.estimators_)
    assert graph.nbytes() < 4.5 * nodes
    assert graph.nbytes() * 20 < len(pickle.dumps(model))


def test_packing_twice_gives_the_same() -> None:
    rows, labels = classes_data()
    model = ensemble.RandomForestClassifier(5, random_state=0).fit(rows, labels)
    first, second = packed_graph(model), packed_graph(pickle.loads(pickle.dumps(model)))
    assert first.root == second.root
    assert all(map(same_bits, first.arrays, second.arrays))


def test_every_kind_is_named_by_an_existing_class() -> None:
    import importlib.util

    for name in KINDS:
        module, _, cls = name.partition(":")
        library = module.partition(".")[0]
        if library == "sklearn" or importlib.util.find_spec(library):
            assert isinstance(getattr(importlib.import_module(module), cls), type)
        else:
            assert library in ("lightgbm", "xgboost", "catboost")


def test_no_tree_is_left_in_the_graph() -> None:
    graph = forest_graph()
    assert not [node for _, node in walk(graph.root) if isinstance(node, RecordArrayNode)]


@pytest.mark.parametrize(
    ("features", "fit"), [([], True), ([0, 2], True), ([0, 3], False), ([-1, 2], False)]
)
def test_features_of_trees_are_columns_of_rows(features: list[int], fit: bool) -> None:
    assert within(np.array(features, dtype=np.int64), 3) is fit


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_lone_tree_gives_the_sign_of_its_zeros(zero: float, negative: bool, outputs: int) -> None:
    rows = np.arange(20.0)[:, np.newaxis]
    target = np.stack([np.arange(20) % 3, np.arange(20) % 2], axis=1)[:, :outputs].astype(float)
    if negative:
        target[5] = -1.0
    model = tree.DecisionTreeRegressor(random_state=0).fit(rows, target)
    values = model.tree_.value  # a view: the fitted tree itself
    values[values == 0.0] = zero
    made = treat(model).lowered
    assert made is not None
    found, expected = made.methods["predict"](rows), model.predict(rows)
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
