"""Rounding to fewer bits: what is lost raises, and what numpy would say of it does not."""

from __future__ import annotations

import numpy as np
import pytest

from model_quantization.errors import SchemeError
from model_quantization.schemes.rounding import round_floats

SIGNALING = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)


@pytest.mark.parametrize("bits", [16, 32])
def test_rounding_is_silent_where_the_caller_wants_every_error(bits: int) -> None:
    values = np.concatenate([[1.0, 1e-320, -np.inf, np.nan], SIGNALING])
    with np.errstate(all="raise"):
        found = round_floats(values, bits, "coef_")
    assert found.dtype == np.dtype(f"<f{bits // 8}")
    assert found[:3].tolist() == [1.0, 0.0, -np.inf]
    assert np.isnan(found[3:]).all()


@pytest.mark.parametrize("bits", [16, 32])
def test_numbers_beyond_the_type_are_counted_and_placed(bits: int) -> None:
    values = np.full((5, 2), 1e300)
    values[0] = 1.0
    with (
        np.errstate(all="raise"),
        pytest.raises(SchemeError, match=r"8 beyond it at rows 1, 2, 3, \.\.\."),
    ):
        round_floats(values, bits, "coef_")
    values[2:] = 1.0
    with pytest.raises(SchemeError, match="2 beyond it at row 1; "):
        round_floats(values, bits, "coef_")


def test_numbers_that_have_no_more_bits_stay_as_they_are() -> None:
    for values in (np.ones(3, np.float32), np.ones(3, np.float16)):
        assert round_floats(values, 32, "coef_") is values
    assert round_floats(np.float64(1e300) * np.ones(1), 64, "coef_")[0] == 1e300
