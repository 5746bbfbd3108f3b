"""Text: where a vectorizer keeps the weights of its words."""

from __future__ import annotations

from typing import Final

import numpy as np

from model_quantization.loading.pickles.migrations.steps import State, Step


def _weights(state: State) -> None:
    diagonal = state.pop("_idf_diag", None)
    if diagonal is not None:
        state.setdefault("idf_", np.asarray(diagonal.diagonal()))


STEPS: Final = (
    Step(
        ("sklearn.feature_extraction.text:TfidfTransformer",),
        "1.5",
        "1.5: TfidfTransformer holds idf_ as an array, no longer as a diagonal matrix",
        _weights,
    ),
)
