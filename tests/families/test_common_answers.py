"""The common checks of answers, for every example of every family there is."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing.pool import Pool

import numpy as np
import pytest

from tests.families import checks
from tests.families.checks import DEPTHS, ROUNDED, Case, all_cases, pairs

CASES = all_cases()
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_depth = pytest.mark.parametrize(("case", "bit_depth"), pairs(CASES, DEPTHS))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with checks.start_pool() as started:
        yield started


@every_depth
def test_predictor_equals_restored(case: Case, bit_depth: str) -> None:
    checks.check_predictor_equals_restored(case, bit_depth)


@every_case
def test_surface_is_the_originals(case: Case) -> None:
    checks.check_surface_is_the_originals(case)


@every_case
def test_it_pickles(case: Case) -> None:
    checks.check_it_pickles(case, "8")


@every_case
def test_it_answers_in_another_process(case: Case, pool: Pool) -> None:
    checks.check_it_answers_in_another_process(case, pool)


@every_case
def test_residue_is_reported(case: Case) -> None:
    checks.check_residue_is_reported(case)


@every_case
def test_odd_input_is_treated_as_the_original_does(case: Case) -> None:
    checks.check_odd_input_is_the_originals(case)


@every_case
def test_rows_that_are_not_finite_get_the_originals_error_at_any_depth(case: Case) -> None:
    if not case.is_numeric or case.example.rows.dtype.kind != "f":
        pytest.skip("rows that are always finite")
    for kind in ("NaN", "infinity"):
        rows = checks.NUMERIC_ROWS[kind](case.example.rows)
        for bit_depth in ROUNDED:
            model = checks.quantized(case, bit_depth)
            for name in model.fast_methods:
                expected = checks.reaction(checks.original(case), name, rows)
                got = checks.reaction(model, name, rows)
                assert got.error == expected.error, name
                if expected.answer is not None:
                    assert got.answer is not None and np.shape(got.answer) == np.shape(
                        expected.answer
                    )
