"""Keeps one of several equal rows: a copy of a row is no further evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_quantization.evaluation.answers import Answers, plain_arrays


def first_of_equals(identifiers: NDArray[Any], harm: NDArray[np.float64]) -> NDArray[np.intp]:
    """The positions to keep, ascending: of equal rows the one with the largest loss.

    Equal rows get equal answers, but their targets may differ. The one on which the quantized
    model does worst then stands for all, so that no choice among them can hide a loss.

    Parameters
    ----------
    identifiers : ndarray (n,)
    harm : ndarray (n,)
        How much worse the quantized model answers each row.
    """
    _, codes = np.unique(identifiers, return_inverse=True)
    order = np.lexsort((-harm, codes.ravel()))
    ordered = codes.ravel()[order]
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return np.sort(order[first])


def take_rows(answers: Answers, kept: NDArray[np.intp]) -> Answers:
    """The answers to the rows at `kept` alone."""
    arrays = dict(answers.arrays)
    for method in answers.methods:
        for key, output in answers.outputs(method).items():
            if hasattr(output, "tocsr"):
                arrays |= plain_arrays(key, output[kept])
            else:
                arrays[key] = output[kept]
    return Answers(arrays, answers.failed)


def rows_first(answers: Answers, rows: int) -> Answers:
    """The answers with rows as the first axis: an output of several models may have those first.

    `VotingClassifier.transform` gives (models, n, classes) where it does not flatten them.
    """
    arrays = {
        key: np.ascontiguousarray(np.moveaxis(array, 1, 0).reshape(rows, -1))
        if array.ndim > 2 and array.shape[0] != rows and array.shape[1] == rows
        else array
        for key, array in answers.arrays.items()
    }
    return Answers(arrays, answers.failed)
