"""Parts of a quantized model by `[]`, `len` and iteration, as the original's class has them.

Python looks these up on the class: a model whose original has no length must have none itself.
These are the pieces of which `model_classes` makes one class per combination. A part that is a
component of its own is a quantized model with its own fast predictor; any other part is the
restored estimator's.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from model_quantization.errors import ConfigError
from model_quantization.families import Lowered, Parts, family_named
from model_quantization.graph.methods import FITTING_METHODS, PUBLIC_METHODS
from model_quantization.predictor.component import ComponentView


class HasParts:
    """The methods that the classes below need; a quantized model comes first among the bases."""

    _view: ComponentView

    @abstractmethod
    def _original(self) -> Any:
        """The restored estimator."""

    @abstractmethod
    def _part_of(self, view: ComponentView) -> Any:
        """The quantized model of a component inside, made once per path."""

    @abstractmethod
    def _shorter(self, view: ComponentView, key: slice) -> Any:
        """The quantized model of a slice of this one."""

    def _listed(self) -> tuple[Parts, Any]:
        """How the parts are reached, and their list; None where they are not stored as a list."""
        parts = family_named(self._view.family).parts[self._view.type]
        found = self._view.get(parts.attribute)
        return parts, found if isinstance(found, list) else None

    def _chosen(self, found: Any, key: Any) -> Any:
        """The part as a quantized model, or of the restored estimator if it is no component."""
        if isinstance(found, ComponentView):
            return self._part_of(found)
        return self._original()[key]


class Indexed(HasParts):
    """A model whose parts have names, as those of a `ColumnTransformer`."""

    def __getitem__(self, key: Any) -> Any:
        parts, listed = self._listed()
        if isinstance(key, str) and listed is not None and parts.by != "number":
            return self._chosen({pair[0]: pair[1] for pair in listed}.get(key), key)
        return self._original()[key]


class Sized(Indexed):
    """A model whose parts have an order: the steps of a pipeline."""

    def __len__(self) -> int:
        _, listed = self._listed()
        return len(self._original() if listed is None else listed)

    def __getitem__(self, key: Any) -> Any:
        parts, listed = self._listed()
        if isinstance(key, slice) and listed is not None:
            return self._slice(key, parts, listed)
        if listed is None or not hasattr(key, "__index__"):
            return super().__getitem__(key)
        found = listed[operator.index(key)]
        return self._chosen(found[1] if parts.by == "step" else found, key)

    def _slice(self, key: slice, parts: Parts, listed: list[Any]) -> Any:
        """A shorter pipeline, or the list of the parts of another sequence."""
        if parts.by != "step":
            return [self[index] for index in range(*key.indices(len(listed)))]
        if key.step not in (None, 1) or not listed[key]:
            return self._original()[key]
        return self._shorter(self._view.with_items(parts.attribute, key), key)


class Iterated(Sized):
    """A model that is a sequence of others: a forest, bagged models."""

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


class Part:
    """A component inside a model.

    The file does not list its methods. It has those of its fast predictor; for others it asks the
    restored estimator.
    """

    _lowered: Lowered | None
    _origin: tuple[Any, slice] | None
    _original: Callable[[], Any]
    _name: Callable[[], str]

    def _surface(self) -> tuple[tuple[str, ...], dict[str, Any]]:
        known = self._lowered.methods if self._lowered is not None else {}
        return tuple(name for name in PUBLIC_METHODS if name in known), {}

    def __getattr__(self, name: str) -> Any:
        if name in PUBLIC_METHODS and name not in FITTING_METHODS and "_view" in self.__dict__:
            return getattr(self._original(), name)
        return super().__getattr__(name)  # type: ignore[misc]  # a quantized model has one

    def self_test(self) -> bool:
        """Return False: the golden rows of a file are for the whole model."""
        return False

    def save(self, path: Any) -> Any:
        """Raise an error: an artifact contains a whole model.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            "a part of a model has no artifact of its own",
            where=str(path),
            got=self._name(),
            do="save the whole model, and take the part of it when it is loaded",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:  # a slice: the whole is pickled, and sliced again
            return (operator.getitem, self._origin)
        whole: tuple[Any, ...] = super().__reduce__()  # type: ignore[assignment]
        return whole
