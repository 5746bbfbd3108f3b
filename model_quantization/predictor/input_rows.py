"""Input as a fast predictor takes it, or None for input that scikit-learn must convert itself.

A fast predictor gets plain input only: an array, a list or a frame of numbers in the columns that
the model knows, or a list of texts. Other input goes to the restored estimator, which then
converts, warns and raises as scikit-learn does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families import Component, Lowered, family_named
from model_quantization.families.lowered import Integers
from model_quantization.families.shared.children import as_floats
from model_quantization.kernels.tables.pandas_columns import names_of
from model_quantization.predictor.component import ComponentView
from model_quantization.predictor.frames import numbers_of_frame
from model_quantization.values import Value

_FLOATS = ("f", "d")


class InputAdapter(Value, frozen=True):
    """Turns input into the rows of a fast predictor.

    Attributes
    ----------
    rows : callable
        Returns the prepared rows, or None.
    warns : str or None
        The class whose warning rows without names get, because it was fitted with named columns.
    """

    rows: Callable[[Any], Any]
    warns: str | None = None

    def warn_unnamed(self, X: Any) -> None:
        """Warn as scikit-learn does of rows without names for a model with names."""
        if self.warns is not None and not hasattr(X, "columns"):
            warnings.warn(
                f"X does not have valid feature names, but {self.warns} was fitted with "
                "feature names",
                UserWarning,
                stacklevel=3,
            )


def input_adapter(view: ComponentView, lowered: Lowered) -> InputAdapter:
    """The adapter of a component that has a fast predictor."""
    if lowered.input == "text":
        return InputAdapter(_documents)
    if lowered.input == "table":
        return InputAdapter(_table)
    if lowered.input == "mappings":
        return InputAdapter(_mappings)
    if lowered.input == "cells":
        return InputAdapter(_cells_of(lowered.n_features))
    seeing = [_Names.of(one) for one in _that_see_input(view)]
    names = seeing[0].names
    warn = [one for one in seeing if one.names is not None and not one.silent]
    if any(one.names != names for one in seeing):
        # Each has warnings of its own, for frames and for rows without names.
        return InputAdapter(_rows_of(lowered, None, unnamed=not warn))
    # For rows without names several estimators warn, one by one: they must do that themselves.
    rows = _rows_of(lowered, names, unnamed=len(warn) <= 1)
    return InputAdapter(rows, warn[0].class_name if len(warn) == 1 else None)


class _Names(Value, frozen=True):
    """The columns that a component was fitted with (None: without names)."""

    names: list[str] | None
    silent: bool
    class_name: str

    @classmethod
    def of(cls, component: Component) -> _Names:
        known = component.get("feature_names_in_")
        names = None if known is None else [str(name) for name in known]
        silent = component.type in family_named(component.family).silent
        return cls(names, silent, component.type.rpartition(":")[2].rpartition(".")[2])


def _that_see_input(component: Component) -> Iterator[Component]:
    """The components that see the unchanged input, according to their families."""
    for one in family_named(component.family).sees_input(component):
        if one is component:
            yield one
        else:
            yield from _that_see_input(one)


# Integers up to here are the same number in every type that a predictor converts them to.
_LARGEST: dict[Integers, int | None] = {
    "float64": 1 << 53,
    "kept": 1 << 53,
    "each": 1 << 24,
    "float32": None,  # converted once, as the library does it
}


def _rows_of(
    lowered: Lowered, names: list[str] | None, *, unnamed: bool
) -> Callable[[Any], Array | None]:
    """A function that prepares frames with these names and, if asked, rows without names."""
    width, integers, takes = lowered.n_features, lowered.integers, lowered.takes
    largest = _LARGEST[integers]
    kinds = "" if takes in ("floats", "arrays") else "iub"
    if takes == "arrays":
        names = None

    def rows(X: Any) -> Array | None:
        if isinstance(X, list) and unnamed and takes != "arrays":
            X = _from_list(X)
        elif names is not None and hasattr(X, "to_numpy") and hasattr(X, "columns"):
            X = numbers_of_frame(X, takes, integers) if names_of(X) == names else None
            if X is not None and integers == "float32" and X.dtype.kind != "f":
                X = X.astype(np.float64)
        elif type(X) is not np.ndarray or not unnamed:
            return None
        if X is None or X.ndim != 2 or not len(X) or X.shape[1] != (width or X.shape[1]):
            return None
        if X.dtype.char in _FLOATS:
            return X if X.dtype.isnative else None
        if X.dtype.kind not in kinds or not _at_most(X, largest):
            return None
        return as_floats(X, integers)

    return rows


def _at_most(X: Array, largest: int | None) -> bool:
    """Whether no integer is larger than this; booleans and short integers cannot be."""
    if largest is None or X.dtype.kind == "b" or X.dtype.itemsize <= 2:
        return True
    return bool(X.max() <= largest and X.min() >= -largest)


def _documents(X: Any) -> list[str] | None:
    # An iterator can be read only once: it is left for scikit-learn to read.
    if isinstance(X, str | Iterator) or not hasattr(X, "__iter__"):
        return None
    documents = X if isinstance(X, list) else list(X)
    return documents if all(type(text) is str for text in documents) else None


def _table(X: Any) -> Any:
    """A table of numpy columns, each name once; its columns are looked up by name."""
    if not hasattr(X, "to_numpy") or not hasattr(X, "iloc") or getattr(X, "ndim", 0) != 2:
        return None
    return X if len(X) and X.columns.is_unique else None


def _mappings(X: Any) -> list[dict[Any, Any]] | None:
    """A list of plain dicts; other mappings and iterators are left for scikit-learn to walk."""
    return X if type(X) is list and X and all(type(one) is dict for one in X) else None


def _cells_of(width: int | None) -> Callable[[Any], Array | None]:
    def cells(X: Any) -> Array | None:
        if type(X) is not np.ndarray or X.ndim != 2 or not len(X) or X.shape[1] != width:
            return None
        usual = X.dtype.kind in "biuOU" or X.dtype.char in _FLOATS
        return X if usual and X.dtype.isnative else None

    return cells


def _from_list(X: list[Any]) -> Array | None:
    try:
        array = np.array(X)
    except ValueError:
        return None  # rows of different lengths: scikit-learn raises its own error
    return array if array.dtype.kind in "iubf" else None
