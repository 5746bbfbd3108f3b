"""Weights of a layer that are rounded together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_quantization.schemes.together import (
    descend,
    errors,
    round_together,
    second_moments,
    spread_errors,
)


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Weights, correlated rows, a scale per output, and the largest code."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, outputs = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rows = random.normal(size=(draw(st.integers(1, 40)), inputs))
    rows = rows @ random.normal(size=(inputs, inputs)) * 10.0 ** draw(st.integers(-3, 3))
    weights = random.normal(size=(inputs, outputs)) * 10.0 ** draw(st.integers(-3, 3))
    top = 2 ** draw(st.integers(1, 5)) - 1
    reach = np.abs(weights).max(axis=0) * draw(st.sampled_from([0.5, 1.0, 1.4]))
    return weights, rows, reach / top, top


@given(layers(), st.integers(0, 2**32 - 1))
def test_descent_never_ends_worse_than_it_began(
    layer: tuple[np.ndarray, np.ndarray, np.ndarray, int], seed: int
) -> None:
    weights, rows, scale, top = layer
    gram = second_moments(rows)
    start = np.random.default_rng(seed).integers(-top, top + 1, weights.shape).astype(float)
    found = descend(start, weights, gram, scale, top)
    before, after = (errors(codes, weights, gram, scale) for codes in (start, found))
    assert (after <= before * (1 + 1e-9) + 1e-300).all()
    assert (found == np.rint(found)).all() and np.abs(found).max() <= top


@given(layers())
def test_rounding_together_is_no_worse_than_each_way_by_itself(
    layer: tuple[np.ndarray, np.ndarray, np.ndarray, int],
) -> None:
    weights, rows, scale, top = layer
    gram = second_moments(rows)
    together = errors(round_together(weights, rows, scale, top), weights, gram, scale)
    nearest = np.clip(np.rint(weights / scale), -top, top)
    for codes in (nearest, spread_errors(weights, gram, scale, top)):
        assert (together <= errors(codes, weights, gram, scale) * (1 + 1e-9) + 1e-300).all()


@given(layers())
def test_no_single_code_is_better_where_descent_ends(
    layer: tuple[np.ndarray, np.ndarray, np.ndarray, int],
) -> None:
    weights, rows, scale, top = layer
    gram = second_moments(rows)
    found = round_together(weights, rows, scale, top)
    least = errors(found, weights, gram, scale)
    for at in range(len(found)):
        for step in (-1.0, 1.0):
            other = found.copy()
            other[at] = np.clip(other[at] + step, -top, top)
            assert (errors(other, weights, gram, scale) >= least * (1 - 1e-6)).all()
