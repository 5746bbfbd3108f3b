"""Classes that are not made by `__new__` and state.

numpy's generators and masked arrays, LightGBM's boosters, pandas' tables, scipy's distributions,
partials of functions that models hold.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.errors import SemanticError, UntrustedTypeError
from model_quantization.estimators.distributions import (
    FROZEN,
    GENERATOR,
    make_distribution,
    make_frozen,
)
from model_quantization.estimators.lightgbm_booster import (
    LIGHTGBM_BOOSTER,
    RESTORED_LIGHTGBM,
    make_booster,
    make_restored_booster,
)
from model_quantization.estimators.tables import MAKERS
from model_quantization.graph.nodes import NameNode, ObjectNode, attributes
from model_quantization.graph.values import fitting
from model_quantization.trust import TrustPolicy

MERSENNE_WORDS = 624
PHILOX_WORDS = 4


SPLINE = "scipy.interpolate._bsplines:BSpline"


def _random_state(state: Any, path: str) -> Any:
    made = np.random.RandomState()
    _check_positions(state, path)
    made.set_state(state)
    return made


def _generator(state: Any, path: str) -> Any:
    kinds = {k: getattr(np.random, k) for k in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")}
    name = state.get("bit_generator") if isinstance(state, dict) else None
    if name not in kinds:
        raise SemanticError("unknown bit generator", where=path, got=repr(name))
    _check_positions(state, path)
    bits = kinds[name]()
    bits.state = state
    return np.random.Generator(bits)


def _check_positions(state: Any, path: str) -> None:
    """Refuse a position beyond the generator's words, which numpy would read unchecked."""
    for part, key, words in (
        (state["state"], "pos", MERSENNE_WORDS),
        (state, "buffer_pos", PHILOX_WORDS),
    ):
        position = part.get(key, 0)
        if type(position) is not int or not 0 <= position <= words:
            raise SemanticError(
                "a random generator's position is out of range",
                where=path,
                expected=f"0 to {words}",
                got=repr(position)[:80],
            )


def _masked(state: Any, path: str) -> Any:
    from numpy import ma

    if not isinstance(state, dict) or set(state) != {"data", "mask", "fill_value"}:
        raise SemanticError("not a masked array", where=path)
    data, mask = np.asarray(state["data"]), np.asarray(state["mask"])
    if mask.dtype != np.bool_ or mask.shape not in ((), data.shape):
        raise SemanticError("a mask of another shape than its array", where=path)
    made: Any = ma.MaskedArray(data, mask=state["mask"])
    made.fill_value = state["fill_value"]
    return made


def make_partial(node: ObjectNode, state: Any, trust: TrustPolicy, path: str) -> Any:
    """The partial that a node and its built state describe.

    Raises
    ------
    UntrustedTypeError
        It is of something else than a function that models may hold to be called: a class,
        another partial, an object.
    SemanticError
        The state is not that of a partial.
    """
    function = attributes(node).get("func")
    if not isinstance(function, NameNode) or not trust.is_value(function.name):
        raise UntrustedTypeError(
            "a partial of what models may not call",
            where=path,
            expected="a function under [values] of the allow-list",
            got=function.name if isinstance(function, NameNode) else type(function).__name__,
            do="do not use this file: no writer makes such a partial",
        )
    value = trust.resolve_name(function.name, path)
    if not isinstance(state, dict) or set(state) != {"func", "keywords"}:
        raise SemanticError("not a partial", where=path)
    if state["func"] is not value or not callable(value):
        raise SemanticError("not the partial of its function", where=path)
    with fitting("not the keyword arguments of a partial", path):
        return functools.partial(value, **state["keywords"])


def _spline(state: Any, path: str) -> Any:
    """A spline by its constructor, which checks its parts: each scipy stores them differently."""
    from scipy.interpolate import BSpline

    knots = state["t"] if "t" in state else state["_t"]
    weights = state["c"] if "c" in state else state["_c"]
    return BSpline(knots, weights, state["k"], bool(state["extrapolate"]), state["axis"])


SPECIAL: dict[str, Callable[[Any, str], Any]] = {
    LIGHTGBM_BOOSTER: make_booster,
    RESTORED_LIGHTGBM: make_restored_booster,
    "numpy.random.mtrand:RandomState": _random_state,
    "numpy.random._generator:Generator": _generator,
    "numpy.ma:MaskedArray": _masked,
    "numpy.ma.core:MaskedArray": _masked,
    SPLINE: _spline,
    FROZEN: make_frozen,
    GENERATOR: make_distribution,
    **MAKERS,
}
