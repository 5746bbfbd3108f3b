"""Chains of linear models behind text: one pass over the documents for all of them.

A model of a chain sees the columns of the text and, after them, the answers of the models before
it. Its score is the sum over the text, which needs none of the others, and then one product
for each of those, in this order: the order in which scipy adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.forms import LinearScores

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step

# Which model, which method, and the answers of the models before it, (n, index) -> its answer.
AskChained: TypeAlias = Callable[[int, str, Array], Array | None]


def chained_behind(
    step: Step, models: Sequence[LinearScores], width: int
) -> Callable[[Any, int | None], AskChained | None] | None:
    """A function of documents, and `n_jobs`, that gives a function to ask the models of a chain.

    Parameters
    ----------
    step : Step
        Makes the first `width` columns of documents.
    models : sequence of LinearScores
        Model `i` has `width + i` features and one score.
    width : int

    Returns
    -------
    callable or None
        None where the sums would not have the bits of scipy's.
    """
    from model_quantization.kernels.text.steps import scorer_of
    from model_quantization.kernels.text.term_weights import hold_weights

    maps = [one.maps[0] for one in models]
    if step.n_columns != width or any(len(one.maps) != 1 for one in models):
        return None
    if any(one.n_outputs != 1 for one in maps):
        return None
    coded = [one.codes for one in maps if one.codes is not None]
    if len(coded) == len(maps):
        weights = [codes.dense().reshape(-1) for codes in coded]
        scale = np.concatenate([codes.scale for codes in coded])
    else:
        weights = [np.reshape(one.weights(), -1) for one in maps]
        scale = np.ones(len(maps), dtype=weights[0].dtype)
    text = hold_weights(
        np.stack([each[:width] for each in weights], axis=1),
        scale if len(coded) == len(maps) else None,
    )
    made = step.adder(text, None)
    score = scorer_of(made, len(maps)) if made is not None and made[1] == "d" else None
    if score is None:
        return None
    tails = [each[width:] * unit for each, unit in zip(weights, scale, strict=True)]
    biases = [(one.bias, len(one.shape) == 1) for one in maps]
    answers = [one.answers for one in models]

    def asker(documents: Any, n_jobs: int | None) -> AskChained | None:
        sums = score(documents, n_jobs)
        if sums is None:
            return None

        def ask(index: int, asked: str, fed: Array) -> Array | None:
            own = sums[:, index].copy()
            for column, weight in zip(fed.T, tails[index], strict=True):
                own += column * weight
            bias, is_flat = biases[index]
            found: Array | None = answers[index][asked].of_scores(
                [own + bias if is_flat else own.reshape(-1, 1) + bias]
            )
            return found

        return ask

    return asker
