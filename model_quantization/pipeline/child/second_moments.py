"""Second moments of the rows that reach each component, recorded while the original answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from model_quantization.arrays import Array
from model_quantization.graph.traversal import join
from model_quantization.planning.calibration import WEIGHTS

FULL_GRAM_FEATURES = 2048  # more columns than this are taken as uncorrelated


_ENTRY = ("predict", "predict_proba", "decision_function", "transform")


class Located(Protocol):
    """A captured model: its objects by path."""

    @property
    def objects(self) -> dict[str, Any]:
        """Path -> live object."""


def component_grams(captured: Located, rows: Any, answered: str) -> dict[str, Array]:
    """Return, for the weights of each linear component, the second moments of its inputs.

    Parameters
    ----------
    captured : Capture
        The live objects of the model by path; they are used, and left as they were.
    rows : DataFrame, ndarray or list of str
        Calibration rows.
    answered : str
        Path of the estimator that takes them.

    Returns
    -------
    dict of str to ndarray
        Path of the weights -> `X' X`, shape (d, d), or its diagonal for many columns.
    """
    inputs: dict[str, Any] = {}
    watched = {
        path: item
        for path, item in captured.objects.items()
        if isinstance(getattr(item, WEIGHTS, None), np.ndarray) and hasattr(item, "__dict__")
    }
    for path, item in watched.items():
        for name in _ENTRY:
            method = getattr(item, name, None)
            if callable(method):
                vars(item)[name] = _recording(method, path, inputs)
    try:
        estimator = captured.objects[answered]
        for name in ("predict", "transform"):
            if hasattr(estimator, name):
                getattr(estimator, name)(rows)
                break
    finally:
        for item in watched.values():
            for name in _ENTRY:
                vars(item).pop(name, None)
    grams = {}
    for path, given in inputs.items():
        gram = _second_moments(given)
        width = np.asarray(watched[path].coef_).shape[-1]
        if gram is not None and gram.shape[0] == width:
            grams[join(path, WEIGHTS)] = gram
    return grams


def _recording(method: Callable[..., Any], path: str, inputs: dict[str, Any]) -> Callable[..., Any]:
    def call(X: Any, *args: Any, **kwargs: Any) -> Any:
        inputs.setdefault(path, X)
        return method(X, *args, **kwargs)

    return call


def _second_moments(rows: Any) -> Array | None:
    """`X' X` of what a component was given, dense or sparse; None for anything but numbers."""
    if hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    if hasattr(rows, "power"):  # a sparse matrix
        columns = rows.power(2).sum(axis=0)
        return np.asarray(columns, dtype=np.float64).ravel()
    values = np.asarray(rows)
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        return None
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        return None
    wide = values.shape[1] > FULL_GRAM_FEATURES
    gram: Array = np.einsum("ij,ij->j", values, values) if wide else values.T @ values
    return gram
