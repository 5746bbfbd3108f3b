"""Text: where a vectorizer keeps the weights of its words."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.loading.pickles.migrations.steps import State, Step


def _weights(state: State) -> None:
    diagonal = state.pop("_idf_diag", None)
    if diagonal is not None:
        state.setdefault("idf_", np.asarray(diagonal.diagonal()))


def _is_fitted(state: State) -> None:
    """A mark of a fitted object: before 1.0 one without weights had no attributes."""
    if state.get("use_idf") is False:
        state.setdefault("fitted_", True)


STEPS: Final = (
    Step(
        ("sklearn.feature_extraction.text:TfidfTransformer",),
        "1.0",
        "1.0: TfidfTransformer knows how many features it was fitted on",
        _is_fitted,
    ),
    Step(
        ("sklearn.feature_extraction.text:TfidfTransformer",),
        "1.5",
        "1.5: TfidfTransformer holds idf_ as an array, no longer as a diagonal matrix",
        _weights,
    ),
)
