"""Reading a dropped attribute of a restored estimator says that it was dropped, and why."""

from __future__ import annotations

import copyreg
import functools
from collections.abc import Callable, Mapping
from inspect import getattr_static
from typing import Any, NoReturn

from model_quantization.errors import DroppedAttribute, MissingMethod

_MADE: dict[tuple[type, tuple[tuple[str, str], ...], frozenset[str], frozenset[str]], type] = {}


def raise_dropped(name: str, where: str, got: str = "") -> NoReturn:
    """Raise the error that says a value was needed for training only.

    Raises
    ------
    DroppedAttribute
        Always.
    """
    raise DroppedAttribute(
        f"{name} was needed for training only and is not stored",
        where=where,
        got=got,
        do="read it from the original model",
    )


def dropped_property(name: str, where: str) -> property:
    """Return a property whose value is not stored: reading it raises `DroppedAttribute`."""

    def read(self: object) -> NoReturn:
        raise_dropped(name, where)

    return property(read, doc=f"Raises `DroppedAttribute`: {name} is not stored.")


def dropped_method(name: str, where: str) -> Callable[..., NoReturn]:
    """Return a method that needs a value which is not stored: it raises `DroppedAttribute`."""

    def method(self: object, *args: object, **kwargs: object) -> NoReturn:
        raise_dropped(name, where)

    method.__doc__ = f"Raise `DroppedAttribute`: {name} is not stored."
    return method


def stored_properties(cls: type, state: dict[str, Any]) -> frozenset[str]:
    """Return the names in `state` that `cls` would work out anew, from what is no longer there.

    A family stores such a value under the property's own name (`feature_importances_`).
    """
    return frozenset(name for name in state if isinstance(name, str) and _is_worked_out(cls, name))


@functools.lru_cache(maxsize=4096)  # a forest asks the same of each of its trees
def _is_worked_out(cls: type, name: str) -> bool:
    own = getattr_static(cls, name, None)
    return isinstance(own, property) and own.fset is None


def reduced_as(cls: type) -> Any:
    """A `__reduce_ex__` for a subclass of `cls`: its objects pickle as objects of `cls`."""

    def reduce(self: Any, protocol: Any) -> Any:
        build, args, *rest = super(type(self), self).__reduce_ex__(protocol)
        if build is copyreg.__newobj__ and len(args) == 1:  # type: ignore[attr-defined]
            # Picklers check that `__newobj__` is given the object's own class; not so this.
            return (copyreg._reconstructor, (cls, object, None), *rest)  # type: ignore[attr-defined]
        return (build, tuple(cls if item is type(self) else item for item in args), *rest)

    return reduce


def _stored(name: str) -> property:
    return property(lambda self: vars(self)[name], doc=f"{name}, as the original had it.")


def lacking_class(cls: type, missing: tuple[str, ...], made_with: str) -> type:
    """Return `cls` with a named error for each method that only other versions of it have.

    Parameters
    ----------
    cls : type
    missing : tuple of str
        The methods.
    made_with : str
        The libraries that have them, for the message.
    """
    inherited = getattr(cls, "__getattr__", None)

    def absent(self: Any, name: str) -> Any:
        if name in missing:
            raise MissingMethod(
                f"the installed {cls.__name__} has no {name}",
                where=cls.__name__,
                expected=made_with,
                do="ask the quantized model, or install those versions",
            )
        if inherited is not None:
            return inherited(self, name)
        raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")

    members = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__getattr__": absent,
        "__reduce_ex__": reduced_as(cls),
    }
    return type(cls.__name__, (cls,), members)


def reporting_class(
    cls: type,
    dropped: tuple[tuple[str, str], ...],
    stored: frozenset[str] = frozenset(),
    remade: Mapping[str, Callable[[Any], Any]] | None = None,
) -> type:
    """Return `cls` with a named error for each dropped attribute.

    Name and module stay those of `cls`, instances are instances of `cls`, and they pickle as
    such: the error is a courtesy of this process, not part of the model.

    Parameters
    ----------
    cls : type
    dropped : tuple of (attribute, note)
        The note says what the attribute was.
    stored : frozenset of str
        Properties whose value is in the instance's state (`stored_properties`).
    remade : mapping of str to callable, optional
        Attributes that are made of the others when they are first read (`estimators.remade`).
    """
    makers = dict(remade or {})
    key = (cls, dropped, stored, frozenset(makers))
    if key not in _MADE:
        notes = dict(dropped)
        inherited_reduce: Any = cls.__reduce_ex__

        def missing(self: Any, name: str) -> Any:
            if name in makers:
                vars(self)[name] = makers[name](self)
                return vars(self)[name]
            if name in notes:
                raise_dropped(name, cls.__name__, notes[name])
            own = getattr_static(cls, name, None)
            if hasattr(own, "__get__"):  # a property that failed: its own error says why
                return own.__get__(self, type(self))
            inherited = getattr(cls, "__getattr__", None)
            if inherited is not None:
                return inherited(self, name)
            raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")

        def reduce(self: Any, protocol: Any) -> Any:
            for name in makers:  # a reader of the pickle cannot make it
                getattr(self, name)
            build, args, *rest = inherited_reduce(self, protocol)
            if build is copyreg.__newobj__ and len(args) == 1:  # type: ignore[attr-defined]
                # Picklers check that `__newobj__` is given the object's own class; not so this.
                return (copyreg._reconstructor, (cls, object, None), *rest)  # type: ignore[attr-defined]
            own = _MADE[key]
            return (build, tuple(cls if item is own else item for item in args), *rest)

        members = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__doc__": cls.__doc__,
            "__getattr__": missing,
            "__reduce_ex__": reduce,
            **{name: _stored(name) for name in stored},
        }
        _MADE[key] = type(cls.__name__, (cls,), members)
    return _MADE[key]
