"""Classes that are not made by `__new__` and state: numpy's generators and masked arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ml.quantization.errors import SemanticError

MERSENNE_WORDS = 624
PHILOX_WORDS = 4


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
    """Refuse a position that numpy would read at without looking whether a word is there."""
    for held, key, words in (
        (state["state"], "pos", MERSENNE_WORDS),
        (state, "buffer_pos", PHILOX_WORDS),
    ):
        position = held.get(key, 0)
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


SPECIAL: dict[str, Callable[[Any, str], Any]] = {
    "numpy.random.mtrand:RandomState": _random_state,
    "numpy.random._generator:Generator": _generator,
    "numpy.ma:MaskedArray": _masked,
    "numpy.ma.core:MaskedArray": _masked,
}
