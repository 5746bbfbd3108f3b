"""The common checks of answers, for every example of every family there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path

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


@pytest.mark.parametrize(("case", "bit_depth"), pairs(CASES, ROUNDED))
def test_rows_that_are_not_finite_get_the_originals_error(case: Case, bit_depth: str) -> None:
    if not case.is_numeric or case.example.rows.dtype.kind != "f":
        pytest.skip("rows that are always finite")
    for kind in ("NaN", "infinity"):
        rows = checks.NUMERIC_ROWS[kind](case.example.rows)
        model = checks.quantized(case, bit_depth)
        for name in model.fast_methods:
            expected = checks.reaction(checks.original(case), name, rows)
            got = checks.reaction(model, name, rows)
            assert got.error == expected.error, name
            if expected.answer is not None:
                assert got.answer is not None
                assert np.shape(got.answer) == np.shape(expected.answer)


@every_case
def test_explanation_says_why(case: Case) -> None:
    checks.check_explanation_says_why(case)


def test_reasons_differ() -> None:
    found = [checks.quantized(case, "8").explain() for case in CASES]
    told = {one.why for each in found for one in (*each.components, *each.methods) if one.why}
    assert len(told) > 5


SERVES = """
import json, sys, numpy as np, model_quantization as mq
for name, method in json.loads(sys.argv[1]):
    rows = np.load(f"{name}.npy")
    getattr(mq.load(f"{name}.qma"), method)(rows.tolist() if rows.dtype.kind == "U" else rows)
    heavy = {"sklearn", "pandas", "pyarrow", "joblib"} & set(sys.modules)
    assert not heavy, (name, heavy)
"""


def test_serving_imports_neither_scikit_learn_nor_pandas(tmp_path: Path) -> None:
    asked = []
    for number, case in enumerate(CASES):
        model, rows = checks.quantized(case, "8"), case.example.rows
        numeric = isinstance(rows, np.ndarray) and rows.dtype.kind == "f"
        texts = case.is_text and isinstance(rows[0], str)
        # Of ties the restored estimator decides.
        tied = (case.family, case.example.name) == ("neighbors", "ties")
        if model.fast_methods and (numeric or texts) and not tied:
            (tmp_path / f"{number}.qma").write_bytes(model.artifact.data)
            np.save(tmp_path / f"{number}.npy", np.asarray(rows[:3]))
            asked.append([number, model.fast_methods[0]])
    assert len(asked) > 100
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SERVES, json.dumps(asked)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
