"""One bad input: its number in docs/bad_inputs.md, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from model_quantization.errors import QuantizationError


@dataclass(frozen=True)
class Case:
    """What somebody put there.

    Attributes
    ----------
    number : int
    name : str
        One number may have several.
    error : type
        The named error that it gets.
    make : callable
        Puts it there, or gives its bytes.
    says : str
        Part of the reason that a person is told.
    """

    number: int
    name: str
    error: type[QuantizationError]
    make: Callable[..., Any]
    says: str = ""


def parameters(cases: Iterable[Case]) -> list[Any]:
    """The cases as parameters of a test, each marked with its number."""
    return [
        pytest.param(
            case, id=f"{case.number:02} {case.name}", marks=pytest.mark.bad_input(case.number)
        )
        for case in cases
    ]
