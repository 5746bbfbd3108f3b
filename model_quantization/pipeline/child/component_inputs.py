"""The inputs of each linear layer of a model while it answers, and their spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from model_quantization.arrays import Array
from model_quantization.evaluation.answers import MODEL_ERRORS
from model_quantization.graph.traversal import join
from model_quantization.schemes.pruning import Spread

SPREAD_ROWS = 1000  # enough for a standard deviation
_ENTRY = ("predict", "predict_proba", "decision_function", "transform")


class Located(Protocol):
    """A captured model: its objects by path."""

    @property
    def objects(self) -> dict[str, Any]:
        """Path -> live object."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of a layer, and the rows that they multiply.

    Attributes
    ----------
    weights : ndarray, shape (k, d)
    inputs : ndarray, sparse matrix or DataFrame, shape (n, d)
    """

    weights: Array
    inputs: Any


def record_layers(captured: Located, rows: Any, answered: str) -> dict[str, Layer]:
    """Return the layers that the rows reached, by the path of their weights.

    Parameters
    ----------
    captured : Capture
        The live objects of the model by path; they are called, and restored afterwards.
    rows : DataFrame, ndarray or list of str
    answered : str
        Path of the estimator that takes them.
    """
    inputs: dict[str, Any] = {}
    watched = {
        path: item
        for path, item in captured.objects.items()
        if hasattr(item, "__dict__") and _weights(item) is not None
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
    layers = {}
    for path, given in inputs.items():
        found = _weights(watched[path])
        assert found is not None
        step, weights = found
        values = given.to_numpy() if hasattr(given, "to_numpy") else given
        if getattr(values, "ndim", 0) == 2 and values.shape[1] == weights.shape[1]:
            layers[join(path, step)] = Layer(weights, values)
    return layers


def _weights(item: Any) -> tuple[str, Array] | None:
    """(path below the estimator, weights of shape (k, d)) of its first layer."""
    weights = getattr(item, "coef_", None)
    if isinstance(weights, np.ndarray) and weights.ndim in (1, 2):
        return "coef_", np.atleast_2d(weights)
    layers = getattr(item, "coefs_", None)
    if isinstance(layers, list) and layers and isinstance(layers[0], np.ndarray):
        return "coefs_/0", layers[0].T
    return None


def _recording(method: Callable[..., Any], path: str, inputs: dict[str, Any]) -> Callable[..., Any]:
    def call(X: Any, *args: Any, **kwargs: Any) -> Any:
        inputs.setdefault(path, X)
        return method(X, *args, **kwargs)

    return call


def layer_spreads(captured: Located, rows: Any, answered: str) -> dict[str, Spread]:
    """Return how far inputs and scores of each layer vary on the first rows.

    Empty when the model cannot answer them.
    """
    try:
        layers = record_layers(captured, _first(rows), answered)
    except MODEL_ERRORS:
        return {}
    return spreads_of(layers)


def spreads_of(layers: Mapping[str, Layer]) -> dict[str, Spread]:
    """Return the spread of each layer whose inputs are finite numbers."""
    found = {}
    for path, layer in layers.items():
        features = _deviation(layer.inputs)
        if features is not None:
            scores = np.asarray(layer.inputs @ layer.weights.T, dtype=np.float64)
            found[path] = Spread(features, scores.std(axis=0))
    return {path: spread for path, spread in found.items() if np.isfinite(spread.scores).all()}


def _deviation(rows: Any) -> Array | None:
    """The standard deviation of each column, dense or sparse; None for anything but numbers."""
    if hasattr(rows, "power"):  # a sparse matrix
        mean = np.asarray(rows.mean(axis=0), dtype=np.float64).ravel()
        squares = np.asarray(rows.power(2).mean(axis=0), dtype=np.float64).ravel()
        deviation: Array = np.sqrt(np.maximum(squares - mean**2, 0.0))
    elif rows.dtype.kind in "fiub":
        deviation = np.asarray(rows, dtype=np.float64).std(axis=0)
    else:
        return None
    return deviation if np.isfinite(deviation).all() else None


def _first(rows: Any) -> Any:
    return rows.iloc[:SPREAD_ROWS] if hasattr(rows, "iloc") else rows[:SPREAD_ROWS]
