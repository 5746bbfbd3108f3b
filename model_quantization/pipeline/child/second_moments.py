"""Second moments of the rows that reach each component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.pipeline.child.component_inputs import Layer
from model_quantization.planning.calibration import WEIGHTS

FULL_GRAM_FEATURES = 2048  # more columns than this count as uncorrelated


def component_grams(layers: Mapping[str, Layer]) -> dict[str, Array]:
    """Return, for the weights of each linear component, the second moments of its inputs.

    Parameters
    ----------
    layers : mapping of str to Layer
        From `record_layers`, of calibration rows.

    Returns
    -------
    dict of str to ndarray
        Path of the weights -> `X' X`, shape (d, d), or its diagonal for many columns.
    """
    grams = {
        path: _second_moments(layer.inputs)
        for path, layer in layers.items()
        if path.rpartition("/")[2] == WEIGHTS
    }
    return {path: gram for path, gram in grams.items() if gram is not None}


def _second_moments(rows: Any) -> Array | None:
    """`X' X` of what a component was given, dense or sparse; None for anything but numbers."""
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
