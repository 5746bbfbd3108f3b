"""The binding between Python and compiled kernels, and the choice of an instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from model_quantization.kernels import compiled
from model_quantization.kernels.trees import booster_links  # noqa: F401  (kernels to ask for)


@pytest.fixture(params=compiled.available_sets())
def kernels(request: pytest.FixtureRequest) -> dict[str, Any]:
    return compiled.compiled_kernels(request.param)


def frozen(values: np.ndarray) -> np.ndarray:
    values.setflags(write=False)
    return values


BAD_ARRAYS = {
    "a list": ([1.0], "logistic: sums must be a numpy array of float64"),
    "bytes that would be written": (b"12345678", "sums must be a numpy array of float64"),
    "another type": (np.arange(3), "sums cannot hold int64 here; float64"),
    "a type that no kernel takes": (np.array(["x"]), "sums must hold float64"),
    "complex": (np.zeros(2, complex), "sums must hold float64"),
    "steps": (np.arange(6.0)[::2], "sums must be contiguous"),
    "backwards": (np.arange(6.0)[::-1], "sums must be contiguous"),
    "read-only": (frozen(np.zeros(2)), "writable"),
    "another byte order": (np.zeros(2, np.dtype("f8").newbyteorder()), "byte order"),
    "not aligned": (np.zeros(17, np.uint8)[1:].view(np.float64), "aligned"),
}


@pytest.mark.parametrize("bad", BAD_ARRAYS)
def test_an_array_that_does_not_fit_is_refused(kernels: dict[str, Any], bad: str) -> None:
    value, message = BAD_ARRAYS[bad]
    with pytest.raises(TypeError, match=message):
        kernels["logistic"](value, 1.0)


def test_two_dimensions_are_asked_for(kernels: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="have two dimensions"):
        kernels["normalized_exponentials"](np.zeros(3))
    with pytest.raises(ValueError, match=r"do not fit each other: sums\.columns > 0"):
        kernels["normalized_exponentials"](np.zeros((3, 0)))


def test_numbers_and_counts_are_checked(kernels: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected 2 arguments, got 1"):
        kernels["logistic"](np.zeros(3))
    with pytest.raises(TypeError, match="must be real number"):
        kernels["logistic"](np.zeros(3), "1")


def test_a_call_keeps_no_reference(kernels: dict[str, Any]) -> None:
    values = np.zeros(5000)
    before = sys.getrefcount(values)
    for _ in range(10):
        kernels["logistic"](values, 1.0)
        with pytest.raises(TypeError):
            kernels["logistic"](values, "1")
    assert sys.getrefcount(values) == before


def run(chosen: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, compiled.VARIABLE: chosen or ""}
    program = (
        "import numpy as np\n"
        "from model_quantization.kernels.trees import booster_links as links\n"
        "from model_quantization.kernels import compiled\n"
        "x = np.array([[1.0, 2.0, 3.0]]); links.normalized_exponentials(x)\n"
        "print(compiled.instruction_set(), x.tobytes().hex())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_environment_names_the_set() -> None:
    named = [*compiled.available_sets(), compiled.REFERENCE]
    answers = {name: run(name).stdout.split() for name in named}
    assert [found[0] for found in answers.values()] == named
    assert len({found[1] for found in answers.values()}) == 1
    assert run(None).stdout.split()[0] == compiled.available_sets()[0]


def test_a_set_that_is_not_there_is_refused() -> None:
    done = run("abacus")
    assert done.returncode
    expected = f"{compiled.VARIABLE} is abacus; expected one of {compiled.available_sets()[0]}"
    assert expected in done.stderr
    with pytest.raises(ValueError, match="no kernels for abacus"):
        compiled.compiled_kernels("abacus")


def test_a_reference_without_its_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "instruction_set", lambda: "baseline")
    monkeypatch.setattr(compiled, "references", {})

    def nobody_wrote_this() -> None:
        """A reference alone."""

    with pytest.raises(ImportError, match="older than the sources"):
        compiled.kernel(nobody_wrote_this)


def test_two_kernels_of_one_name_are_refused() -> None:
    def exponential() -> None:
        """Another."""

    with pytest.raises(ImportError, match="two kernels are named exponential"):
        compiled.kernel(exponential)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_the_types_of_arrays_choose_the_variant(kernels: dict[str, Any], dtype: type) -> None:
    values, feature = np.array([7, 8, 9], dtype), np.array([1, 0, 1], np.uint32)
    placed = np.zeros(3, dtype)
    kernels["undo_order"](values, feature, np.empty(3, np.int64), placed)
    assert placed.tolist() == [8, 7, 9]
    with pytest.raises(TypeError, match="placed cannot hold float32 here; uint64 is one type"):
        kernels["undo_order"](values, feature, np.empty(3, np.int64), np.zeros(3, np.float32))


def test_steps_are_taken_where_the_kernel_takes_them(kernels: dict[str, Any]) -> None:
    table = np.full((3, 4), -1)
    linked = np.zeros(3, np.uint8)
    assert kernels["find_fault"](table[:, 0], table[::-1, 1], table[:, 2], 4, linked) == 0
    table[0, :2] = 1, 2
    assert kernels["find_fault"](table[:, 0], table[:, 1], table[:, 2], 4, linked) == 4
    with pytest.raises(
        TypeError, match="left must be of the machine's byte order, and have one dim"
    ):
        kernels["find_fault"](table, table[:, 1], table[:, 2], 4, linked)
