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
from model_quantization.families import Lowered
from model_quantization.predictor.component import View

_FLOATS = ("f", "d")
_PIPELINE = "sklearn.pipeline:Pipeline"
# Their estimators take rows without names and say nothing.
_SILENT = ("xgboost.", "catboost.")
# Each of their estimators looks at the input itself, and warns for itself.
_DELEGATING = frozenset(
    {
        "model_quantization.estimators.as_saved:LastOfTiesOneVsRest",
        "sklearn.calibration:CalibratedClassifierCV",
        "sklearn.frozen._frozen:FrozenEstimator",
        "sklearn.multiclass:OneVsRestClassifier",
        "sklearn.multiclass:OutputCodeClassifier",
        "sklearn.multioutput:MultiOutputClassifier",
        "sklearn.multioutput:MultiOutputRegressor",
    }
)


@dataclass(frozen=True, slots=True)
class Intake:
    """What turns input into rows.

    Attributes
    ----------
    rows : callable
        Gives the prepared rows, or None.
    names : list of str or None
        The columns that the model was fitted with, when it was fitted with named ones, and warns
        of rows without names.
    asked : str
        Class of the component that sees the input first: scikit-learn's warnings name it.
    """

    rows: Callable[[Any], Any]
    names: list[str] | None
    asked: str

    def warn_unnamed(self, X: Any) -> None:
        """Warn as scikit-learn does when a model that knows names is asked without them."""
        if self.names is not None and not hasattr(X, "columns"):
            warnings.warn(
                f"X does not have valid feature names, but {self.asked} was fitted with "
                "feature names",
                UserWarning,
                stacklevel=3,
            )


def intake_of(view: View, lowered: Lowered) -> Intake:
    """The intake of a component that has a fast predictor."""
    first = _asked_first(view)
    asked = first.type.rpartition(":")[2].rpartition(".")[2]
    if lowered.input == "text":
        return Intake(_documents, None, asked)
    if lowered.input == "table":
        return Intake(_table, None, asked)
    held = first.get("feature_names_in_")
    names = None if held is None else [str(name) for name in held]
    width = lowered.n_features

    integers = np.dtype(lowered.integers)
    delegates = names is not None and first.type in _DELEGATING

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
        return X.astype(integers) if X.dtype.kind in "iub" else None

    return Intake(rows, None if first.type.startswith(_SILENT) else names, asked)


def _asked_first(view: View) -> View:
    """The component that sees the input as it comes: the first step of pipelines that is one."""
    while view.type == _PIPELINE:
        step = next((step for _, step in view["steps"] if isinstance(step, View)), None)
        if step is None:
            break
        view = step
    return view


def _documents(X: Any) -> list[str] | None:
    # What can be read only once is left for scikit-learn to read.
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
