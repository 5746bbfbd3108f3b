"""Ranges that lose least on calibration rows: what each component is given, and what follows.

The second moments `X' X` of a component's inputs say how an error of its weights shows in its
output (see `codecs.search_ranges`). They are taken where the original runs, since only there the
inputs of an inner step exist.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.graph.nodes import ModelGraph
from model_quantization.schemes.range_search import search_ranges
from model_quantization.schemes.recipe import Recipe
from model_quantization.schemes.scheme import Affine, Role

_WEIGHTS = "coef_"


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
