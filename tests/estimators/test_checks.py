"""State that native code would follow: an estimator and its trees must look at the same columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeRegressor

from model_quantization.errors import SemanticError
from model_quantization.estimators.capture import capture
from model_quantization.estimators.checks import check_state
from model_quantization.families.lowered import Lowered
from model_quantization.graph.traversal import array_paths
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.trust import TrustPolicy

ROWS = np.random.default_rng(0).normal(size=(80, 4))
LABELS = (ROWS[:, 0] > 0).astype(int)


def check(model: Any, **changes: Any) -> None:
    kind = type(model)
    check_state(f"{kind.__module__}:{kind.__qualname__}", [], vars(model) | changes, "model")


@pytest.mark.parametrize("columns", [3, 5])
@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3, random_state=0).fit(ROWS, LABELS),
        ExtraTreesRegressor(3, random_state=0).fit(ROWS, ROWS[:, 1]),
        DecisionTreeRegressor(random_state=0).fit(ROWS, ROWS[:, 1]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_look_at_the_columns_that_their_estimator_checks(model: Any, columns: int) -> None:
    check(model)
    with pytest.raises(SemanticError, match="a tree looks at other columns"):
        check(model, n_features_in_=columns)


CHOSEN: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "one beyond the last": (lambda at: np.where(at == 3, 4, at), "a column of a tree is out of"),
    "before the first": (lambda at: np.where(at == 0, -1, at), "a column of a tree is out of"),
    "one short": (lambda at: at[:-1], "other columns than it is given"),
    "two dimensions": (lambda at: at[:, None], "other columns than it is given"),
}


@pytest.mark.parametrize("how", CHOSEN)
def test_the_columns_of_an_isolation_forest_are_those_of_its_trees(how: str) -> None:
    model = IsolationForest(n_estimators=3, random_state=0).fit(ROWS)
    change, message = CHOSEN[how]
    check(model)
    with pytest.raises(SemanticError, match=message):
        check(model, estimators_features_=[change(at) for at in model.estimators_features_])
    with pytest.raises(SemanticError, match="columns for another number of trees"):
        check(model, estimators_features_=model.estimators_features_[1:])


@pytest.mark.parametrize(
    "change",
    [lambda at: at[:, :-1], lambda at: at[:-1], lambda at: at + 2, lambda at: at.astype(np.int64)],
    ids=["a column less", "a tree less", "columns beyond the last", "signed"],
)
def test_the_columns_of_packed_trees_fit_them(change: Callable[[Any], Any]) -> None:
    model = BaggingClassifier(n_estimators=6, max_features=3, random_state=0).fit(ROWS, LABELS)
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    (index,) = [at for at, path in array_paths(graph).items() if path == "tree_columns"]

    def lowered(columns: Any) -> Any:
        arrays = (*graph.arrays[:index], columns, *graph.arrays[index + 1 :])
        changed = replace(graph, arrays=arrays)
        view = ComponentView(changed.root, Context.of(changed.root, changed.arrays))
        made = view.lower(exact=True)
        assert isinstance(made, Lowered)
        return made.methods["predict_proba"](ROWS)

    np.testing.assert_array_equal(lowered(graph.arrays[index]), model.predict_proba(ROWS))
    with pytest.raises(SemanticError, match="the columns of the trees do not fit them"):
        lowered(change(graph.arrays[index]))
