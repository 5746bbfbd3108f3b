"""State that native code would follow blindly, plain and packed.

The number in a name is the case's in the list of bad inputs that the project answers for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_quantization.errors import SemanticError
from model_quantization.predictor.opening import load
from tests.artifact import models
from tests.artifact.forge import Forged, edited
from tests.artifact.models import array_at, made, with_array
from tests.artifact.refusals import (
    Manifest,
    changed,
    refuses_to_make,
)
from tests.artifact.samples import model_file


@pytest.mark.parametrize("side", ["left_child", "right_child"])
@pytest.mark.parametrize("child", [27, 1 << 40, -5])
@pytest.mark.bad_input(39)
def test_39_a_tree_child_out_of_range(side: str, child: int) -> None:
    refuses_to_make(changed(models.tree_file(), f"tree_/nodes/{side}", 0, child))


@pytest.mark.parametrize("child", [-2, -5, -(1 << 40)])
@pytest.mark.bad_input(39)
def test_39_a_leaf_whose_children_are_other_than_none(child: int) -> None:
    # Native code takes only -1 for a leaf, and would walk on to whatever lies before the nodes.
    data = models.tree_file()
    _, left = array_at(data, "tree_/nodes/left_child")
    leaf = int(np.argmax(left == -1))
    data = changed(data, "tree_/nodes/left_child", leaf, child)
    refuses_to_make(changed(data, "tree_/nodes/right_child", leaf, child))


@pytest.mark.parametrize("feature", [6, -1, 1 << 40])
@pytest.mark.bad_input(39)
def test_39_a_tree_feature_out_of_range(feature: int) -> None:
    refuses_to_make(changed(models.tree_file(), "tree_/nodes/feature", 0, feature))


@pytest.mark.bad_input(39)
def test_39_a_tree_for_more_columns_than_its_estimator_checks() -> None:
    def change(manifest: Manifest) -> None:
        keys, values = manifest["graph"][3][1], manifest["graph"][3][2]
        values[keys.index("n_features_in_")] = 2

    refuses_to_make(edited(models.tree_file(), change))


@pytest.mark.bad_input(39)
def test_39_a_packed_tree_feature_out_of_range() -> None:
    data = models.tree_file(packed=True)
    refuses_to_make(changed(data, "tree_features", 0, 200))
    with pytest.raises(SemanticError):
        load(changed(data, "tree_features", 0, 200))


@pytest.mark.bad_input(39)
def test_39_a_packed_tree_whose_bits_close_no_tree() -> None:
    data = models.tree_file(packed=True)
    for value in (0, 255):
        refuses_to_make(changed(data, "tree_splits", slice(None), value))
        with pytest.raises(SemanticError):
            load(changed(data, "tree_splits", slice(None), value))


@pytest.mark.bad_input(39)
def test_39_a_packed_forest_with_parts_of_another_length() -> None:
    data = models.tree_file(packed=True)
    for path in ("tree_features", "tree_thresholds", "tree_missing_left", "tree_rows"):
        _, values = array_at(data, path)
        refuses_to_make(with_array(data, path, values[:-1]))
        refuses_to_make(with_array(data, path, np.concatenate([values, values])))


@pytest.mark.bad_input(39)
def test_39_a_histogram_feature_out_of_range() -> None:
    for value in (6, -1, 1 << 40):
        path = "_predictors/0/0/nodes/feature_idx"
        refuses_to_make(changed(models.histogram_file(), path, 0, value))


@pytest.mark.bad_input(39)
def test_39_a_packed_histogram_feature_out_of_range() -> None:
    data = changed(models.histogram_file(packed=True), "tree_features", 0, 200)
    refuses_to_make(data)
    with pytest.raises(SemanticError):
        load(data)


@pytest.mark.bad_input(40)
def test_40_a_tree_with_a_cycle() -> None:
    refuses_to_make(changed(models.tree_file(), "tree_/nodes/left_child", 1, 0))
    refuses_to_make(changed(models.tree_file(), "tree_/nodes/left_child", 1, 1))


@pytest.mark.bad_input(40)
def test_40_a_tree_whose_nodes_share_a_child() -> None:
    _, right = array_at(models.tree_file(), "tree_/nodes/right_child")
    refuses_to_make(changed(models.tree_file(), "tree_/nodes/left_child", 0, right[0]))


@pytest.mark.bad_input(40)
def test_40_a_histogram_tree_with_a_cycle() -> None:
    refuses_to_make(changed(models.histogram_file(), "_predictors/0/0/nodes/left", 1, 0))


@pytest.mark.bad_input(41)
def test_41_a_sparse_index_out_of_range() -> None:
    for value in (6, -1):
        refuses_to_make(changed(models.sparse_file(), "matrix/indices", 3, value))


@pytest.mark.bad_input(41)
def test_41_row_pointers_that_do_not_fit() -> None:
    data = models.sparse_file()
    for position, value in ((0, 1), (-1, 1000), (3, 1000), (5, -1)):
        refuses_to_make(changed(data, "matrix/indptr", position, value))
    _, pointers = array_at(data, "matrix/indptr")
    refuses_to_make(with_array(data, "matrix/indptr", pointers[:-1]))


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.bad_input(42)
def test_42_a_search_tree_out_of_range(algorithm: str) -> None:
    data = models.neighbors_file(algorithm)
    for path, position, value in (
        ("_tree/state/1", 0, 60),
        ("_tree/state/1", 0, -1),
        ("_tree/state/1", 0, array_at(data, "_tree/state/1")[1][1]),
        ("_tree/state/2/idx_end", 3, 61),
        ("_tree/state/2/idx_start", 3, -1),
        ("_tree/state/2/is_leaf", -1, 0),
    ):
        refuses_to_make(changed(data, path, position, value))
    _, bounds = array_at(data, "_tree/state/3")
    refuses_to_make(with_array(data, "_tree/state/3", bounds[:, :-1]))


@pytest.mark.bad_input(42)
def test_42_a_histogram_bitset_out_of_range() -> None:
    data = models.histogram_file()
    _, leaves = array_at(data, "_predictors/0/0/nodes/is_leaf")
    assert leaves[0] == 0
    refuses_to_make(changed(data, "_predictors/0/0/nodes/is_categorical", 0, 1))


@pytest.mark.bad_input(42)
def test_42_packed_bitsets_that_do_not_fit() -> None:
    forged = Forged.of(models.histogram_file(packed=True))
    index, bits = array_at(models.histogram_file(packed=True), "tree_splits")
    # The splits' bits read as categorical ones: there are fewer sets than those ask for.
    for part in forged.manifest["graph"][3]:
        if part[0] == "tree_features":
            forged.manifest["graph"][3].append(["tree_categorical", ["a", index]])
            forged.manifest["graph"][3].append(["tree_bitsets", part[1]])
            break
    assert bits.any()
    refuses_to_make(forged.data())


@pytest.mark.parametrize(
    ("path", "position", "value"),
    [("_n_support", 0, 50), ("_n_support", 0, -20), ("support_", 0, 60), ("support_", 0, -1)],
)
def test_support_vectors_out_of_range(path: str, position: int, value: int) -> None:
    refuses_to_make(changed(models.support_file(), path, position, value))


@pytest.mark.parametrize("path", ["dual_coef_", "_intercept_", "support_vectors_", "_n_support"])
def test_support_vectors_that_do_not_fit_each_other(path: str) -> None:
    _, values = array_at(models.support_file(), path)
    refuses_to_make(with_array(models.support_file(), path, values[:-1]))


@pytest.mark.parametrize("part", ["prefix", "length", "popularity", "fanout", "gaps"])
def test_a_packed_vocabulary_that_contradicts_itself(part: str) -> None:
    data = model_file("text", "exact")
    path = f"steps/tfidfvectorizer/terms.{part}"
    _, values = array_at(data, path)
    largest = np.iinfo(values.dtype).max
    for hostile in (
        with_array(data, path, values[:-1]),
        with_array(data, path, values.astype("f8")),
        changed(data, path, 0, largest)
        if part != "popularity"
        else with_array(data, path, values[1:]),
    ):
        with pytest.raises(SemanticError):
            load(hostile)
        refuses_to_make(hostile)


def last_items_removed(node: Any, name: str) -> bool:
    """Take the last item off the state of the first object of a class; whether there was one."""
    if not isinstance(node, list) or not node:
        return False
    if node[0] == "o" and node[1].endswith(name):
        node[3].pop()
        return True
    return any(last_items_removed(item, name) for item in node)


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.bad_input(42)
def test_42_a_search_tree_without_a_metric(items: int) -> None:
    forged = Forged.of(models.neighbors_file("kd_tree"))
    for _ in range(items):
        assert last_items_removed(forged.manifest["graph"], ":KDTree")
    refuses_to_make(forged.data())


@pytest.mark.bad_input(42)
def test_42_a_metric_for_fewer_columns() -> None:
    from sklearn.neighbors import NearestNeighbors

    weights = {"V": np.arange(1.0, 7.0)}
    model = NearestNeighbors(algorithm="ball_tree", metric="seuclidean", metric_params=weights)
    data = models.file_of(model.fit(models.rows()))
    path = "_tree/state/11/state/1"
    made(data)
    refuses_to_make(with_array(data, path, np.array([1.0])))


@pytest.mark.parametrize(
    ("kind", "path"), [("coo", "m/coords/1"), ("bsr", "m/indices"), ("csc", "m/indices")]
)
@pytest.mark.bad_input(41)
def test_41_other_sparse_matrices(kind: str, path: str) -> None:
    from scipy import sparse

    dense = np.where(models.rows() > 1, models.rows(), 0.0)
    data = models.file_of({"m": getattr(sparse, f"{kind}_array")(dense)})
    assert made(data)["m"].toarray().tolist() == dense.tolist()
    refuses_to_make(changed(data, path, 2, 1000))
    refuses_to_make(changed(data, path, 2, -1))


@pytest.mark.bad_input(41)
def test_41_rows_as_lists() -> None:
    from scipy import sparse

    data = models.file_of({"m": sparse.lil_array(np.eye(4))})
    assert made(data)["m"].toarray().tolist() == np.eye(4).tolist()

    def change(node: Any) -> None:
        if isinstance(node, list):
            if node == ["l", 3]:
                node[1] = 4
            for item in node:
                change(item)

    forged = Forged.of(data)
    change(forged.manifest["graph"])
    refuses_to_make(forged.data())


@pytest.mark.bad_input(41)
@pytest.mark.parametrize("dtype", ["<i4", "<i8", "<u4"])
def test_41_row_pointers_whose_steps_wrap_around(dtype: str) -> None:
    data = models.sparse_file()
    _, pointers = array_at(data, "matrix/indptr")
    wild = pointers.astype(dtype)
    info = np.iinfo(wild.dtype)
    wild[5], wild[6:] = info.max, info.min
    refuses_to_make(with_array(data, "matrix/indptr", wild))
    wild[6:] = pointers[6:]
    refuses_to_make(with_array(data, "matrix/indptr", wild))


@pytest.mark.bad_input(42)
@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_42_bounds_of_a_search_tree_that_are_too_few(algorithm: str) -> None:
    data = models.neighbors_file(algorithm)
    _, bounds = array_at(data, "_tree/state/3")
    for wrong in (bounds[:0], bounds[:1] if algorithm == "kd_tree" else bounds[[0, 0]],
                  bounds[:, :, :1], bounds[0]):  # fmt: skip
        refuses_to_make(with_array(data, "_tree/state/3", wrong))


@pytest.mark.parametrize("path", ["_probA", "_probB"])
def test_probabilities_of_support_vectors_that_are_too_few(path: str) -> None:
    data = models.support_file(probability=True)
    _, values = array_at(data, path)
    assert values.shape == (3,)
    refuses_to_make(with_array(data, path, values[:1]))


def test_a_support_vector_machine_of_another_kind() -> None:
    def change(manifest: Manifest) -> None:
        keys, values = manifest["graph"][3][1:]
        keys.append("_impl")
        values.append("c_svc")

    refuses_to_make(edited(models.support_file(), change))


def test_centers_of_another_width_and_threads_that_cannot_be() -> None:
    from sklearn.cluster import KMeans

    data = models.file_of(KMeans(3, random_state=0, n_init=1).fit(models.rows()))
    made(data)
    _, centers = array_at(data, "cluster_centers_")
    refuses_to_make(with_array(data, "cluster_centers_", centers[:, :4]))
    for threads in (0, -1, 1 << 30, True, 2.0):

        def change(manifest: Manifest, threads: Any = threads) -> None:
            keys, values = manifest["graph"][3][1:]
            values[keys.index("_n_threads")] = threads

        refuses_to_make(edited(data, change))


@pytest.mark.parametrize("column", [-1, 6, 1 << 40])
def test_a_column_of_a_term_that_is_not_there(column: int) -> None:
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_extraction.text import CountVectorizer

    model = CountVectorizer().fit(["the cat sat", "a dog sat on the mat"])
    assert len(model.vocabulary_) == 6
    model.vocabulary_["cat"] = column
    with pytest.raises(SemanticError, match="a column of a term is out of range"):
        models.file_of(model)
    other = DictVectorizer().fit([{"city": "Rome", "rooms": 2}])
    other.vocabulary_["rooms"] = column
    with pytest.raises(SemanticError, match="a column of a term is out of range"):
        models.file_of(other)


def test_bins_for_fewer_columns_than_the_trees_look_at() -> None:
    data = models.histogram_file()
    _, kinds = array_at(data, "_bin_mapper/is_categorical_")
    refuses_to_make(with_array(data, "_bin_mapper/is_categorical_", kinds[:2]))


@pytest.mark.parametrize("classes", [2, 4])
def test_boosting_that_starts_from_fewer_or_more_columns_than_it_adds_to(classes: int) -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    # Native code adds each stage to its own column of what the first estimator answers.
    model = GradientBoostingClassifier(n_estimators=2, max_depth=2)
    data = models.file_of(model.fit(models.rows(), np.arange(60) % 3))
    made(data).predict(models.rows())
    refuses_to_make(with_array(data, "init_/class_prior_", np.full(classes, 1 / classes)))


@pytest.mark.parametrize("columns", [0, -1, 1 << 31, True])
def test_hashing_into_columns_that_cannot_be(columns: Any) -> None:
    from sklearn.feature_extraction.text import HashingVectorizer

    with pytest.raises(SemanticError, match="a number of columns out of range"):
        models.file_of(HashingVectorizer(n_features=columns))


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_neighbors_without_the_rows_to_search_in(metric: str) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(3, algorithm="brute", metric=metric)
    data = models.file_of(model.fit(models.rows(), models.rows()[:, 0] > 0))
    made(data).predict(models.rows())
    _, rows = array_at(data, "_fit_X")
    for wrong in (rows[:0], rows.reshape(-1)[:0], rows[:, :2], rows[:-1]):
        refuses_to_make(with_array(data, "_fit_X", wrong))
