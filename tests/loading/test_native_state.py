"""State that C code follows without looking is refused before it gets it: search trees, metrics."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier
from sklearn.neighbors._ball_tree import BallTree32, BallTree64
from sklearn.neighbors._kd_tree import KDTree32, KDTree64

from model_quantization.errors import ScanRefused
from model_quantization.loading.pickles.original import load_original

ROWS = np.random.default_rng(0).normal(size=(200, 3))


class Saved:
    """Pickles as another object, with a state of one's own."""

    def __init__(self, original: Any, state: tuple[Any, ...]) -> None:
        self.original = original
        self.state = state

    def __reduce__(self) -> Any:
        maker, arguments, _ = self.original.__reduce__()
        return maker, arguments, self.state


def _beyond(nodes: Any) -> Any:
    changed = nodes.copy()
    changed["idx_end"][-1] = 10**9
    return changed


def _endless(nodes: Any) -> Any:
    changed = nodes.copy()
    changed["is_leaf"] = 0
    return changed


CHANGES: dict[str, tuple[int, Callable[[Any], Any], str]] = {
    "indices out of range": (1, lambda found: found + 10**6, "not a permutation of its rows"),
    "a node beyond the rows": (2, _beyond, "a search tree node is out of range"),
    "leaves that have children": (2, _endless, "node points outside the tree"),
    "bounds of fewer nodes": (3, lambda found: found[:, :-1], "bounds of a search tree do not fit"),
    "more nodes than there are": (
        6,
        lambda found: 2 * found + 1,
        "does not fit its levels.*got [0-9]+",
    ),
    "no metric": (11, lambda _: None, "a search tree without a metric"),
    "weights of other rows": (12, lambda _: np.ones(3), "weights of a search tree do not fit"),
    "a deviation for fewer columns": (
        11,
        lambda _: DistanceMetric.get_metric("seuclidean", V=[1.0, 2.0]),
        "a metric for another number of columns.*got 2",
    ),
    "a weight for fewer columns": (
        11,
        lambda _: DistanceMetric.get_metric("minkowski", p=3, w=[1.0, 2.0]),
        "a metric for another number of columns.*got 2",
    ),
    "a matrix for fewer columns": (
        11,
        lambda _: DistanceMetric.get_metric("mahalanobis", VI=np.eye(2)),
        r"a metric for another number of columns.*got \(2, 2\)",
    ),
    "no array of rows": (0, lambda _: 5, "the state of .* has another shape"),
}


def written(model: Any, folder: Path) -> Path:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


@pytest.mark.bad_input(68)
@pytest.mark.parametrize("kind", [KDTree, BallTree, KDTree64, BallTree64, KDTree32, BallTree32])
@pytest.mark.parametrize("change", CHANGES)
def test_a_search_tree_is_checked_before_it_is_made(kind: Any, change: str, tmp_path: Path) -> None:
    tree = kind(ROWS.astype(np.float32 if "32" in kind.__name__ else float), leaf_size=10)
    at, replace, message = CHANGES[change]
    state = list(tree.__getstate__())
    state[at] = replace(state[at])
    path = written({"tree": Saved(tree, tuple(state))}, tmp_path)
    with pytest.raises(ScanRefused, match=rf"model\.pkl: sklearn.*{message}.*do not use this file"):
        load_original(path)


@pytest.mark.bad_input(68)
@pytest.mark.parametrize(
    ("place", "numbers"),
    [
        (1, np.ones(3, dtype=np.float32)),
        (1, np.ones((1, 3))),
        (1, [1.0, 2.0, 3.0]),
        (2, np.ones(3)),
        (2, np.ones((1, 1), dtype=np.int64)),
    ],
)
def test_a_metric_is_checked_before_it_is_made(place: int, numbers: Any, tmp_path: Path) -> None:
    metric = DistanceMetric.get_metric("seuclidean", V=[1.0, 2.0, 3.0])
    state = list(metric.__getstate__())
    state[place] = numbers
    path = written([Saved(metric, tuple(state))], tmp_path)
    with pytest.raises(ScanRefused, match="the numbers of a metric are no array of float64"):
        load_original(path)


def test_sound_search_trees_load_and_answer(tmp_path: Path) -> None:
    classifier = KNeighborsClassifier(algorithm="kd_tree").fit(ROWS, ROWS[:, 0] > 0)
    trees = [
        KDTree(ROWS, metric="manhattan"),
        BallTree(ROWS),
        KDTree(ROWS, metric="minkowski", p=3, w=[1.0, 2.0, 3.0]),
        BallTree(ROWS, metric="seuclidean", V=[1.0, 2.0, 3.0]),
        BallTree(ROWS, metric="mahalanobis", VI=np.diag([1.0, 2.0, 3.0])),
        KDTree(ROWS[:1]),
    ]
    (found, *loaded), _ = load_original(written([classifier, *trees], tmp_path))
    for mine, theirs in zip(loaded, trees, strict=True):
        assert type(mine) is type(theirs)
        near, far = (
            mine.query(ROWS, min(3, len(theirs.data))),
            theirs.query(ROWS, min(3, len(theirs.data))),
        )
        np.testing.assert_array_equal(near, far)
    np.testing.assert_array_equal(found.predict(ROWS), classifier.predict(ROWS))
