"""Ranges that lose least on calibration rows.

The second moments `X' X` of a component's inputs give the effect of an error of its weights on its
output (see `schemes.range_search`). They are taken where the original runs, since only there the
inputs of an inner step exist.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from model_quantization.arrays import Array
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.traversal import array_paths
from model_quantization.schemes.range_search import search_ranges
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Affine, Role

WEIGHTS = "coef_"


def calibrated_ranges(
    graph: ModelGraph, grams: Mapping[str, Array], recipe: Recipe
) -> dict[str, Array]:
    """Return the ranges per channel that lose least, for every array that has second moments.

    Parameters
    ----------
    graph : ModelGraph
    grams : mapping of str to ndarray
        Path of each calibrated array -> second moments of its component's inputs.
    recipe : Recipe
        Only arrays it gives affine codes are calibrated.
    """
    if not grams:
        return {}
    indices = {path: index for index, path in array_paths(graph).items()}
    ranges = {}
    for path, gram in grams.items():
        index = indices.get(path)
        scheme = recipe.override(path) or recipe.rule(Role.WEIGHT)
        if index is None or not isinstance(scheme, Affine) or scheme.granularity != "channel":
            continue
        weights = np.atleast_2d(graph.arrays[index])
        if weights.ndim != 2 or weights.dtype.kind != "f" or not np.isfinite(weights).all():
            continue
        factors = search_ranges(weights, gram, scheme.bits, symmetric=scheme.symmetric)
        ranges[path] = np.abs(weights).max(axis=1) * factors
    return ranges
