"""A plan has a choice and a reason for every array of every graph."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest

from model_quantization.errors import SchemeError
from model_quantization.estimators.capture import capture
from model_quantization.families import all_families, family_named
from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import ModelGraph, PackedNode
from model_quantization.graph.traversal import array_paths
from model_quantization.planning.encoding import RoundedArrays, component_costs, encode, quantized
from model_quantization.planning.exact_where_smaller import keep_exact_where_smaller
from model_quantization.planning.packing import prepare_graph
from model_quantization.planning.plan import Choice, Plan, make_plan
from model_quantization.planning.roles import family_summary
from model_quantization.schemes.quantize import stored_bytes
from model_quantization.schemes.recipe import recipe_for
from model_quantization.schemes.scheme import (
    EXACT_ROLES,
    Affine,
    Codebook,
    Exact,
    Float,
    Role,
    Slot,
)
from model_quantization.trust import TrustPolicy

DEPTHS = ("exact", "32", "16", "8")


def estimators() -> Iterator[tuple[str, Any]]:
    from sklearn.cluster import KMeans
    from sklearn.compose import ColumnTransformer
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    rows = np.random.default_rng(0).normal(size=(80, 12))
    labels = (rows[:, 0] > 0).astype(int)
    yield "linear", LogisticRegression().fit(rows, labels)
    yield "targets", Ridge().fit(rows, rows[:, :3])
    yield "pipeline", make_pipeline(StandardScaler(), PCA(4), SVC()).fit(rows, labels)
    yield "forest", RandomForestClassifier(4).fit(rows, labels)
    yield "neighbors", KNeighborsClassifier().fit(rows, labels)
    yield "network", MLPClassifier((8,), max_iter=3).fit(rows, labels)
    yield "process", GaussianProcessRegressor().fit(rows, rows[:, 0])
    yield "mixture", GaussianMixture(2).fit(rows)
    yield "clusters", KMeans(3, n_init=1).fit(rows)
    blocks = [("a", StandardScaler(), [0, 1]), ("b", OneHotEncoder(), [2])]
    yield "columns", ColumnTransformer(blocks).fit(np.round(rows))
    yield "container", {"one": Ridge().fit(rows, labels), "two": [KMeans(2, n_init=1).fit(rows)]}
    yield "bare", [np.arange(50.0), {(1, 2, 3, 4, 5, 6, 7, 8): "tuple"}, "text", [1.5] * 20]


@cache
def graphs() -> dict[str, ModelGraph]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = dict(estimators())
        for family in all_families():
            some = islice(family.examples(), 3)
            models |= {f"{family.name}: {example.name}": example.model for example in some}
        return {
            name: prepare_graph(capture(model, TrustPolicy())).graph
            for name, model in models.items()
        }


def plan_of(name: str, depth: str, **options: Any) -> Plan:
    return make_plan(graphs()[name], recipe_for(depth, **options))


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_plan_is_total_and_gives_reasons(depth: str) -> None:
    for name in graphs():
        plan = plan_of(name, depth)
        assert len(plan.choices) == len(plan.graph.arrays), name
        for index, choice in enumerate(plan.choices):
            assert choice.reason, (name, choice.path)
            assert choice.slot.allows(choice.scheme), (name, choice.path)
            assert choice.pool, (name, choice.path)
            if choice.slot.role in EXACT_ROLES or depth == "exact":
                assert choice.scheme == Exact(), (name, choice.path)
            if plan.graph.arrays[index].dtype.kind != "f":
                assert choice.scheme == Exact(), (name, choice.path)
            if choice.threshold:
                assert choice.slot.role is Role.WEIGHT, (name, choice.path)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_plan_can_be_carried_out(depth: str) -> None:
    for name in graphs():
        plan = plan_of(name, depth)
        model = encode(plan)
        assert len(model.arrays) == len(model.pools) == len(plan.choices)
        for array, choice in zip(model.arrays, plan.choices, strict=True):
            assert array.scheme == choice.scheme, name


def test_the_exact_plan_rounds_nothing() -> None:
    for name in graphs():
        plan = plan_of(name, "exact")
        assert plan.exact
        assert plan.precision == "exact"
        assert plan.graph.root == graphs()[name].root


def test_the_same_graph_gives_the_same_plan() -> None:
    for name in graphs():
        first, second = plan_of(name, "8"), plan_of(name, "8")
        assert first.choices == second.choices
        assert first.graph.root == second.graph.root


def test_paths_of_choices_are_those_of_the_graph() -> None:
    plan = plan_of("pipeline", "exact")
    assert [choice.path for choice in plan.choices] == [
        array_paths(plan.graph)[index] for index in range(len(plan.choices))
    ]


def choice_at(plan: Plan, path: str) -> Any:
    return next(choice for choice in plan.choices if choice.path == path)


def test_an_override_wins() -> None:
    plan = plan_of("targets", "8", overrides=(("coef_", Float(16)),))
    choice = choice_at(plan, "coef_")
    assert choice.scheme == Float(16)
    assert choice.reason == "asked for by an override"
    exact = plan_of("targets", "8", overrides=(("*", Exact()),))
    assert exact.exact


def test_an_override_that_is_not_tolerated_says_so() -> None:
    with pytest.raises(SchemeError, match=r"intercept_: int8/channel is not tolerated here"):
        plan_of("targets", "exact", overrides=(("intercept_", Affine(8)),))
    with pytest.raises(SchemeError, match=r"classes_.*int64.*change the override"):
        plan_of("linear", "exact", overrides=(("classes_", Float(16)),))


def test_ranges_go_with_affine_codes_only() -> None:
    ranges = {"coef_": np.ones(3)}
    plan = make_plan(graphs()["targets"], recipe_for("8"), ranges)
    assert choice_at(plan, "coef_").ranges is ranges["coef_"]
    exact = make_plan(graphs()["targets"], recipe_for("exact"), ranges)
    assert choice_at(exact, "coef_").ranges is None


def test_small_arrays_and_such_with_nan_stay_exact() -> None:
    from sklearn.linear_model import Ridge

    model = Ridge().fit(np.eye(40), np.eye(40))
    model.coef_ = model.coef_.copy()
    model.coef_[0, 0] = np.nan
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    choice = choice_at(make_plan(graph, recipe_for(8)), "coef_")
    assert choice.scheme == Exact()
    assert "NaN or infinity" in choice.reason
    assert choice_at(make_plan(graph, recipe_for(32)), "coef_").scheme == Float(32)
    tiny = choice_at(plan_of("linear", "8"), "coef_")
    assert tiny.reason == "weight of 12 numbers: too small to gain"


def test_a_key_that_holds_an_array_is_planned_too() -> None:
    plan = plan_of("bare", "8")
    assert any(choice.path.endswith("keys") for choice in plan.choices)


def test_precision_in_a_word() -> None:
    assert plan_of("targets", "8").precision == "8"
    assert plan_of("targets", "32").precision == "32"
    mixed = plan_of("pipeline", "8", overrides=(("steps/pca/components_", Float(16)),))
    assert mixed.precision == "8-16"
    assert plan_of("targets", "8", overrides=(("coef_", Codebook(4)),)).precision == "4"


def test_what_rounding_would_not_shrink_stays_exact() -> None:
    from sklearn.linear_model import Ridge

    model = Ridge().fit(np.eye(60), np.eye(60))
    model.coef_ = np.zeros((60, 60))
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    plan = make_plan(graph, recipe_for(8))
    assert choice_at(plan, "coef_").scheme == Affine(8)
    settled = keep_exact_where_smaller(plan)
    assert choice_at(settled, "coef_").scheme == Exact()
    assert choice_at(settled, "coef_").threshold == 0.0
    assert "exact" in choice_at(settled, "coef_").reason


def test_the_first_part_of_a_long_array_tells_that_rounding_pays() -> None:
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(0)
    model = Ridge().fit(np.eye(60), np.eye(60))
    for weights, scheme in (
        (random.normal(size=(400, 400)), Affine(8)),
        (np.zeros((400, 400)), Exact()),
        (np.concatenate([np.zeros((200, 400)), random.normal(size=(200, 400))]), Affine(8)),
    ):
        model.coef_ = weights
        plan = make_plan(prepare_graph(capture(model, TrustPolicy())).graph, recipe_for(8))
        for sampled in (False, True):
            settled = keep_exact_where_smaller(plan, sampled=sampled)
            assert choice_at(settled, "coef_").scheme == scheme


def test_arrays_that_plans_share_are_rounded_once() -> None:
    kept = RoundedArrays()
    plan = plan_of("pipeline", "8")
    first, second = (encode(plan, kept.rounded).arrays for _ in range(2))
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert [each.to_meta() for each in first] == [each.to_meta() for each in encode(plan).arrays]
    wide = encode(plan_of("pipeline", "16"), kept.rounded).arrays
    assert any(one.to_meta() != other.to_meta() for one, other in zip(first, wide, strict=True))


def test_the_family_in_a_word() -> None:
    assert family_summary(graphs()["linear"]) == "linear"
    assert family_summary(graphs()["forest"]) == "forest"
    assert family_summary(graphs()["bare"]) == "generic"
    assert family_summary(ModelGraph(None, ())) == "generic"


def test_costs_name_every_component_that_holds_arrays() -> None:
    from model_quantization.artifact.writer import build_artifact
    from tests.artifact.samples import HEADER

    for name in ("pipeline", "container", "forest"):
        plan = plan_of(name, "8")
        _, parts = build_artifact(encode(plan), HEADER)
        costs = component_costs(plan, parts, {})
        assert {cost.path for cost in costs} == {choice.component for choice in plan.choices}
        stored = sum(part.stored_bytes for part in parts)
        assert sum(cost.bytes_after for cost in costs) == pytest.approx(stored, abs=len(costs))
        assert all(cost.reason and cost.scheme for cost in costs)
        assert set(costs[0].to_json()) >= {"path", "family", "bytes_before", "bytes_after"}


def _coarsened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(component, bits) of each call of the forest family's `coarsen`, from now on."""
    calls: list[tuple[int, int]] = []
    forest = family_named("forest")
    assert forest.coarsen is not None
    real = forest.coarsen

    def counted(node: PackedNode, arrays: Arrays, bits: int) -> tuple[PackedNode, str]:
        calls.append((id(node), bits))
        return real(node, arrays, bits)

    changed = replace(forest, coarsen=counted)
    monkeypatch.setattr(
        "model_quantization.planning.coarsening.family_named",
        lambda name: changed if name == "forest" else family_named(name),
    )
    return calls


def _three_forests() -> ModelGraph:
    from sklearn.ensemble import RandomForestRegressor, VotingRegressor

    rows = np.random.default_rng(0).normal(size=(400, 6))
    forests = [
        (f"f{seed}", RandomForestRegressor(4 + seed, random_state=seed)) for seed in range(3)
    ]
    model = VotingRegressor(forests).fit(rows, rows[:, 0] * rows[:, 1])
    return prepare_graph(capture(model, TrustPolicy())).graph


def test_each_component_is_coarsened_once_per_width(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = _three_forests()
    calls = _coarsened(monkeypatch)
    plan = keep_exact_where_smaller(make_plan(graph, recipe_for(8)))
    assert len(plan.bits) == 3 and len(calls) == 3
    for bits in (8, 16, 8):
        again = plan.with_bits(dict.fromkeys(plan.bits, bits))
        assert len(again.choices) == len(again.graph.arrays)
    assert len(calls) == len(set(calls)) == 6  # three components at 8 bits, and at 16


def test_a_coarsened_component_is_the_same_alone_and_among_others() -> None:
    graph = _three_forests()
    plan = make_plan(graph, recipe_for(8))
    first, *others = plan.bits
    alone = plan.with_bits({first: 8})
    assert alone.bits == {first: 8} and set(alone.reasons) == {first}
    exact = plan.with_bits({})
    assert exact.graph.root == graph.root and not exact.bits
    for path, chosen in ((first, plan), (others[0], exact)):
        mine = [a for a, c in _arrays_of(alone) if c == path]
        theirs = [a for a, c in _arrays_of(chosen) if c == path]
        assert len(mine) == len(theirs) > 0
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def _arrays_of(plan: Plan) -> list[tuple[Any, str]]:
    components = [choice.component for choice in plan.choices]
    return list(zip(plan.graph.arrays, components, strict=True))


def test_coarsened_components_that_gain_nothing_stay_exact() -> None:
    plan = make_plan(graphs()["forest"], recipe_for(8))
    kept = keep_exact_where_smaller(plan)
    for path in plan.bits:
        coarse, exact = (
            sum(
                stored_bytes(quantized(array, choice))
                for array, choice in zip(each.graph.arrays, each.choices, strict=True)
                if choice.component == path
            )
            for each in (plan, plan.with_bits({}))
        )
        assert (path in kept.bits) == (exact > 1.02 * coarse)


def test_frequencies_of_cosines_keep_16_bits() -> None:
    from sklearn.kernel_approximation import RBFSampler

    from model_quantization.api import ModelQuantizer

    rows = np.random.default_rng(0).normal(size=(50, 20))
    quantized, _ = ModelQuantizer(8).quantize_model(RBFSampler(random_state=0).fit(rows))
    known = RBFSampler(random_state=0).fit(rows).random_weights_
    moved = np.abs(np.asarray(quantized.random_weights_) - known).max()
    assert 0.0 < moved < 1e-4 * np.abs(known).max()


class _Held:
    """Stands for how far inputs vary."""


def test_what_a_kept_array_is_found_by_stays_alive() -> None:
    """Else another object could get its identity, and be given the array rounded for it."""
    kept, held = RoundedArrays(), _Held()
    alive = weakref.ref(held)
    slot = Slot(Role.LABEL)
    choice = Choice("a", "", "", "", slot, Exact(), reason="", pool="", spread=held)  # type: ignore[arg-type]
    kept.rounded(np.arange(3.0), choice)
    del held, choice
    gc.collect()
    assert alive() is not None
