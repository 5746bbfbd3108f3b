"""False parts of boosted trees are refused before a kernel writes anything."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor

from model_quantization.errors import QuantizationError, SemanticError
from model_quantization.estimators.capture import capture
from model_quantization.families import Lowered
from model_quantization.graph.nodes import ArrayNode, ModelGraph, Node, PackedNode, SequenceNode
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.trust import TrustPolicy
from tests.artifact.samples import fitted

TWO_NUMBERS = SequenceNode("tuple", (40, 2, 1, 1))
ITERATIONS = "iterations that do not exist"
WHOLE = "trees that are not whole iterations of one number per leaf"


def sample(name: str) -> Any:
    """A small fitted model."""
    if name == "boosting":
        rows = np.random.default_rng(0).normal(size=(60, 40))
        return GradientBoostingRegressor(n_estimators=3, random_state=0).fit(rows, rows[:, 0])
    if name != "histogram":
        pytest.importorskip(name, reason="the extra `boosters` is not installed")
    return fitted(name)


def lowered(name: str, change: dict[str, Any]) -> Any:
    """The fast predictor of a sample with other parts."""
    graph = prepare_graph(capture(sample(name), TrustPolicy())).graph
    assert isinstance(graph.root, PackedNode)
    arrays = list(graph.arrays)
    held: dict[str, Node] = dict(graph.root.parts)
    if change.get("tree_make") == TWO_NUMBERS:
        rows = held["tree_rows"]
        assert isinstance(rows, ArrayNode)
        change = {**change, "tree_rows": np.repeat(arrays[rows.array], 2, axis=1)}
    for part, value in change.items():
        if isinstance(value, np.ndarray):
            arrays.append(value)
        held[part] = ArrayNode(len(arrays) - 1) if isinstance(value, np.ndarray) else value
    root = PackedNode("forest", graph.root.type, tuple(held.items()))
    return ComponentView(root, Context.of(root, arrays)).lower(exact=True)


@pytest.mark.parametrize("name", ["boosting", "histogram", "lightgbm", "xgboost"])
def test_leaves_of_more_numbers_than_there_is_room_for(name: str) -> None:
    with pytest.raises(SemanticError, match=WHOLE):
        lowered(name, {"tree_make": TWO_NUMBERS})


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("histogram", {"tree_outputs": 4}, f"{WHOLE}|classes_ does not fit"),
        ("lightgbm", {"tree_outputs": 5}, WHOLE),
        ("lightgbm", {"tree_outputs": 0}, WHOLE),
        ("lightgbm", {"tree_outputs": 1}, "one output for several classes"),
        ("lightgbm", {"booster_iterations": 0}, ITERATIONS),
        ("lightgbm", {"booster_iterations": 5}, ITERATIONS),
        ("lightgbm", {"booster_iterations": True}, ITERATIONS),
        ("xgboost", {"tree_outputs": 5}, WHOLE),
        ("xgboost", {"booster_parallel": 9}, ITERATIONS),
        ("xgboost", {"booster_parallel": 0}, ITERATIONS),
        ("xgboost", {"booster_base": np.zeros(2, np.float32)}, "the bases do not fit the outputs"),
        ("xgboost", {"booster_weights": np.ones(3)}, "weights do not fit the trees"),
        ("catboost", {"booster_bias": np.zeros(2)}, "another number of biases than of outputs"),
        ("catboost", {"booster_bias": np.zeros(40)}, "another number of biases than of outputs"),
    ],
)
def test_numbers_that_do_not_fit_each_other(name: str, change: dict[str, Any], why: str) -> None:
    with pytest.raises(SemanticError, match=why):
        lowered(name, change)


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
def test_an_estimator_that_is_not_fitted_is_not_worth_a_note(name: str) -> None:
    model = clone(sample(name))
    graph = prepare_graph(capture({"template": model}, TrustPolicy())).graph
    assert not graph.notes


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10_000))
@pytest.mark.parametrize("name", ["boosting", "histogram", "lightgbm", "xgboost", "catboost"])
def test_parts_changed_at_random_are_answered_or_refused(name: str, seed: int) -> None:
    """Kernels follow indices blindly: one out of range that came this far would end the tests."""
    rng = np.random.default_rng(seed)
    graph = packed(name)
    assert isinstance(graph.root, PackedNode)
    arrays = list(graph.arrays)
    held = dict(graph.root.parts)
    part = str(rng.choice([n for n in held if n.startswith(("tree_", "booster_"))]))
    value = held[part]
    if isinstance(value, ArrayNode):
        changed = arrays[value.array].copy()
        flat = changed.reshape(-1).view(np.uint8)
        if flat.size:
            flat[rng.integers(flat.size, size=2)] = rng.integers(256, size=2)
        arrays.append(changed if rng.random() < 0.7 else changed[:-1])
        held[part] = ArrayNode(len(arrays) - 1)
    elif type(value) is int:
        held[part] = int(rng.integers(-1, 12))
    root = PackedNode("forest", graph.root.type, tuple(held.items()))
    try:
        made = ComponentView(root, Context.of(root, arrays)).lower(exact=True)
        if isinstance(made, Lowered):
            for method in made.methods.values():
                method(ROWS)
                method(ROWS[:1])
    except (QuantizationError, ValueError, LookupError) as error:
        assert str(error)


ROWS = np.random.default_rng(3).normal(size=(70, 40))
ROWS[5, :7] = np.nan


@cache
def packed(name: str) -> ModelGraph:
    return prepare_graph(capture(sample(name), TrustPolicy())).graph
