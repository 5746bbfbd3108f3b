"""An object as pickling would write it: arguments of its constructor, state, and items."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from model_quantization.errors import UnsupportedComponent


@dataclass(frozen=True, slots=True)
class Reduced:
    """The result of `__reduce_ex__`, for an object that `__new__` makes.

    Attributes
    ----------
    args : tuple
        Arguments of `__new__`, without the class.
    state : object
    items : iterable or None
        Items to append, for an object that is also a list.
    pairs : iterable of pairs or None
        Items to set by key, for an object that is also a dict.
    """

    args: tuple[Any, ...]
    state: Any
    items: Iterable[Any] | None
    pairs: Iterable[tuple[Any, Any]] | None


def reduced_form(value: Any, path: str) -> Reduced:
    """Return what pickling would write of an object.

    Raises
    ------
    UnsupportedComponent
        It cannot be pickled, or is rebuilt by calling something else than its class.
    """
    if isinstance(value, np.ndarray):
        raise_unsupported(value, path, "it is a subclass of ndarray")
    try:
        reduced = value.__reduce_ex__(4)
    except (TypeError, AttributeError, NotImplementedError) as error:
        raise_unsupported(value, path, f"it cannot be pickled ({error})")
    if isinstance(reduced, str):
        raise_unsupported(value, path, "it is a global object")
    taken = _constructor_arguments(type(value), reduced)
    if taken is None:
        build = reduced[0]
        called = getattr(build, "__name__", "") or repr(build)
        raise_unsupported(value, path, f"it is rebuilt by calling {called}")
    items, pairs = (*reduced[3:5], None, None)[:2]
    return Reduced(*taken, items, pairs)


def raise_unsupported(value: Any, path: str, why: str) -> NoReturn:
    """Raise `UnsupportedComponent` for an object of a model."""
    kind = type(value)
    raise UnsupportedComponent(
        f"{kind.__module__}.{kind.__qualname__} cannot be represented as data: {why}",
        where=path or "model",
        do="remove it from the model before saving, or keep this model as a pickle",
    )


def _constructor_arguments(
    kind: type, reduced: tuple[Any, ...]
) -> tuple[tuple[Any, ...], Any] | None:
    """The arguments of `__new__` and the state, of what `__reduce_ex__` gave.

    None for an object that is rebuilt by calling anything else.
    """
    build, args = reduced[:2]
    state = reduced[2] if len(reduced) > 2 else None
    label = str(getattr(build, "__name__", ""))
    if build is copyreg.__newobj__:  # type: ignore[attr-defined]
        return args[1:], state
    if isinstance(build, type) and issubclass(kind, build):  # restored: pickles as its base
        return args, state
    if label == "newObj" and args == (kind,):
        return (), state
    if label.startswith("__pyx_unpickle_") and args[0] is kind:
        return (), state if state is not None else args[2]
    if build is copyreg._reconstructor and args[1] is object:  # type: ignore[attr-defined]
        return (), state
    return None
