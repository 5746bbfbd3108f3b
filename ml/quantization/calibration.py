"""Ranges that lose least on calibration rows: what each component is given, and what follows.

The second moments `X' X` of a component's inputs say how an error of its weights shows in its
output (see `codecs.search_ranges`). They are taken where the original runs, since only there the
inputs of an inner step exist.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ml.quantization.codecs import search_ranges
from ml.quantization.graph import Array, ModelGraph, join
from ml.quantization.recipe import Recipe
from ml.quantization.scheme import Affine, Role

FULL_GRAM_FEATURES = 2048  # more columns than this are taken as uncorrelated
_ENTRY = ("predict", "predict_proba", "decision_function", "transform")
_WEIGHTS = "coef_"


class Located(Protocol):
    """A captured model: its objects by path."""

    @property
    def objects(self) -> dict[str, Any]:
        """Path -> live object."""


def component_grams(held: Located, rows: Any, answered: str) -> dict[str, Array]:
    """Return, for the weights of each linear component, the second moments of its inputs.

    Parameters
    ----------
    held : Capture
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
        for path, item in held.objects.items()
        if isinstance(getattr(item, _WEIGHTS, None), np.ndarray) and hasattr(item, "__dict__")
    }
    for path, item in watched.items():
        for name in _ENTRY:
            method = getattr(item, name, None)
            if callable(method):
                vars(item)[name] = _recording(method, path, inputs)
    try:
        estimator = held.objects[answered]
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
            grams[join(path, _WEIGHTS)] = gram
    return grams


def calibrated_ranges(
    graph: ModelGraph, paths: dict[str, int], grams: dict[str, Array], recipe: Recipe
) -> dict[str, Array]:
    """Return the ranges per channel that lose least, for every array that has second moments.

    Parameters
    ----------
    graph : ModelGraph
    paths : dict of str to int
        Path of each array -> its index.
    grams : dict of str to ndarray
        From `component_grams`.
    recipe : Recipe
        Only arrays it gives affine codes are calibrated.
    """
    ranges = {}
    for path, gram in grams.items():
        index = paths.get(path)
        scheme = recipe.override(path) or recipe.rule(Role.WEIGHT)
        if index is None or not isinstance(scheme, Affine) or scheme.granularity != "channel":
            continue
        weights = np.atleast_2d(graph.arrays[index])
        if weights.ndim != 2 or weights.dtype.kind != "f" or not np.isfinite(weights).all():
            continue
        factors = search_ranges(weights, gram, scheme.bits, symmetric=scheme.symmetric)
        ranges[path] = np.abs(weights).max(axis=1) * factors
    return ranges


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
