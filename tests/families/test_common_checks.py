"""The common checks of plans and bytes, for every example of every family there is.

Those of answers are a file of their own, so that two processes share the work.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from model_quantization.estimators.capture import capture
from model_quantization.families import all_families, family_named, family_of, owners
from model_quantization.families.owners import NOTE, note_text
from model_quantization.graph.traversal import components
from model_quantization.trust import TrustPolicy
from tests.families import checks
from tests.families.checks import DEPTHS, Case, all_cases, pairs

CASES = all_cases()
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_depth = pytest.mark.parametrize(("case", "bit_depth"), pairs(CASES, DEPTHS))


def test_every_family_has_examples_of_its_own_classes() -> None:
    for family in all_families():
        examples = list(family.examples())
        packages = {name.partition(".")[0] for name in family.types}
        assert examples or not any(map(find_spec, packages)), family.name
        names = [example.name for example in examples]
        assert len(set(names)) == len(names), family.name
        for example in examples:
            held = {node.type for _, node in components(capture(example.model, TrustPolicy()))}
            assert family in map(family_of, held), f"{family.name}: {example.name} holds {held}"


def test_a_class_that_no_family_names_is_generic() -> None:
    assert family_of("somewhere:Unknown").name == "generic"
    with pytest.raises(KeyError, match=r"no family 'forrest'; known: bayes, .*forest"):
        family_named("forrest")


def test_the_note_says_who_speaks_for_each_class() -> None:
    assert NOTE.read_text("utf-8") == note_text(), "write it anew: make docs"
    for family in all_families():
        assert family_named(family.name) is family
        assert all(family_of(name) is family for name in family.types)


def test_families_are_found_without_a_note_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = tmp_path / "owners.json"
    monkeypatch.setattr(owners, "NOTE", stale)
    for text in (None, "no JSON", '{"files": ["linear"], "families": {}}'):
        if text is not None:
            stale.write_text(text)
        assert owners.known_owners.__wrapped__() is None
    monkeypatch.setattr("model_quantization.families.known_owners", lambda: None)
    family_named.cache_clear()
    forest = "sklearn.ensemble._forest:RandomForestClassifier"
    assert family_of(forest) is family_named("forest")
    assert family_of("somewhere:Unknown").name == "generic"


@every_depth
def test_plan_is_total(case: Case, bit_depth: str) -> None:
    checks.check_plan_is_total(case, bit_depth)


@every_case
def test_round_trip_is_exact(case: Case) -> None:
    checks.check_round_trip_is_exact(case)


@every_depth
def test_input_is_not_changed(case: Case, bit_depth: str) -> None:
    checks.check_input_is_not_changed(case, bit_depth)


@pytest.mark.parametrize(("case", "bit_depth"), pairs(CASES, ("exact", "8")))
def test_bytes_are_reproducible(case: Case, bit_depth: str) -> None:
    checks.check_bytes_are_reproducible(case, bit_depth)
