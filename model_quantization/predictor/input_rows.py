"""Input as a fast predictor takes it, or None for whatever scikit-learn must treat itself.

A fast predictor is asked for plain input only: an array, a list or a frame of numbers in the
columns that the model knows, a list of texts. Everything else goes to the restored estimator, so
that every conversion, warning and error is its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families import Component, Family, Lowered, family_named
from model_quantization.families.shared.children import as_floats
from model_quantization.predictor.component import ComponentView

_FLOATS = ("f", "d")


@dataclass(frozen=True, slots=True)
class InputAdapter:
    """Turns input into the rows of a fast predictor.

    Attributes
    ----------
    rows : callable
        Gives the prepared rows, or None.
    names : list of str or None
        The columns that the model was fitted with, when it was fitted with named ones, and warns
        of rows without names.
    first_class : str
        Class of the component that sees the input first: scikit-learn's warnings name it.
    """

    rows: Callable[[Any], Any]
    names: list[str] | None
    first_class: str

    def warn_unnamed(self, X: Any) -> None:
        """Warn as scikit-learn does when a model that knows names is asked without them."""
        if self.names is not None and not hasattr(X, "columns"):
            warnings.warn(
                f"X does not have valid feature names, but {self.first_class} was fitted with "
                "feature names",
                UserWarning,
                stacklevel=3,
            )


def input_adapter(view: ComponentView, lowered: Lowered) -> InputAdapter:
    """The adapter of a component that has a fast predictor."""
    first, family = _sees_first(view)
    first_class = first.type.rpartition(":")[2].rpartition(".")[2]
    if lowered.input == "text":
        return InputAdapter(_documents, None, first_class)
    if lowered.input == "table":
        return InputAdapter(_table, None, first_class)
    known = first.get("feature_names_in_")
    names = None if known is None else [str(name) for name in known]
    unnamed = family.unnamed.get(first.type)
    width, integers = lowered.n_features, lowered.integers
    delegates = names is not None and unnamed == "delegated"

    def rows(X: Any) -> Array | None:
        if isinstance(X, list) and not delegates:
            X = _from_list(X)
        elif names is not None and hasattr(X, "to_numpy") and hasattr(X, "columns"):
            X = _from_frame(X) if list(X.columns) == names else None
        elif type(X) is not np.ndarray or delegates:
            return None
        if X is None or X.ndim != 2 or X.shape[1] != width or not len(X):
            return None
        if X.dtype.char in _FLOATS:
            return X if X.dtype.isnative else None
        return as_floats(X, integers) if X.dtype.kind in "iub" else None

    return InputAdapter(rows, None if unnamed == "silent" else names, first_class)


def _sees_first(view: ComponentView) -> tuple[Component, Family]:
    """The component that sees the input as it comes (a pipeline's first step), and its family."""
    component: Component = view
    while True:
        family = family_named(component.family)
        first = family.sees_first(component)
        if first is component:
            return component, family
        component = first


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


def _from_frame(X: Any) -> Array:
    """The values of a frame; integers and booleans as float64, whatever arrays of them become."""
    values: Array = X.to_numpy()
    return values.astype(np.float64) if values.dtype.kind in "iub" else values


def _from_list(X: list[Any]) -> Array | None:
    try:
        array = np.array(X)
    except ValueError:
        return None  # ragged: scikit-learn has the right words
    return array if array.dtype.kind in "iubf" else None
