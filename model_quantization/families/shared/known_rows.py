"""The predictor of a model that keeps the rows it was fitted on, and answers by them."""

from __future__ import annotations

from collections.abc import Mapping

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, Method, Takes


def of_known_rows(
    component: Component,
    methods: Mapping[str, Method],
    *,
    by: str,
    known: Array,
    takes: Takes = "numbers",
) -> Lowered:
    """Return the predictor of one component; a classifier among them decides by probabilities.

    Parameters
    ----------
    component : Component
        `classes_`, where it has them, are the labels.
    methods : mapping of str to callable
    by : str
        How it answers, in a few words.
    known : ndarray of shape (n_known, n_features)
        The rows that it keeps.
    takes : {"numbers", "plain", "floats", "arrays"}
        As in `Lowered`.
    """
    return Lowered(
        methods,
        by=by,
        names=(component.path,),
        n_features=known.shape[1],
        classes=component.get("classes_"),
        decides_by="predict_proba",
        takes=takes,
    )
