"""Reading a dropped attribute of a restored estimator says that it was dropped, and why."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

from ml.quantization.errors import DroppedAttribute

_MADE: dict[tuple[type, tuple[tuple[str, str], ...]], type] = {}


def reporting_class(cls: type, dropped: tuple[tuple[str, str], ...]) -> type:
    """Return `cls` with a named error for each dropped attribute.

    Name and module stay those of `cls`, instances are instances of `cls`, and they pickle as
    such: the error is a courtesy of this process, not part of the model.

    Parameters
    ----------
    cls : type
    dropped : tuple of (attribute, note)
        The note says what the attribute was.
    """
    key = (cls, dropped)
    if key not in _MADE:
        notes = dict(dropped)
        inherited_reduce: Any = cls.__reduce_ex__

        def missing(self: Any, name: str) -> Any:
            if name in notes:
                raise DroppedAttribute(
                    f"{name} was training residue and is not stored",
                    where=cls.__name__,
                    got=notes[name],
                    do="read it from the original model",
                )
            own = getattr_static(cls, name, None)
            if hasattr(own, "__get__"):  # a property that failed: its own error says why
                return own.__get__(self, type(self))
            inherited = getattr(cls, "__getattr__", None)
            if inherited is not None:
                return inherited(self, name)
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")

        def reduce(self: Any, protocol: Any) -> Any:
            build, args, *rest = inherited_reduce(self, protocol)
            own = _MADE[key]
            return (build, tuple(cls if item is own else item for item in args), *rest)

        members = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__doc__": cls.__doc__,
            "__getattr__": missing,
            "__reduce_ex__": reduce,
        }
        _MADE[key] = type(cls.__name__, (cls,), members)
    return _MADE[key]
