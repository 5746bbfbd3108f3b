"""Topics of documents: what has no fast search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import LatentDirichletAllocation

from model_quantization.api import ModelQuantizer

COUNTS = np.random.default_rng(0).poisson(1.0, (40, 12)).astype(float)


@pytest.mark.parametrize(("most", "is_fast"), [(100, True), (1 << 14, True), (1 << 40, False)])
def test_a_search_without_end_is_left_to_scikit_learn(most: int, is_fast: bool) -> None:
    model = LatentDirichletAllocation(3, max_iter=2, random_state=0).fit(COUNTS)
    model.max_doc_update_iter = most
    made, _ = ModelQuantizer(bit_depth=8).quantize_model(model)
    assert ("transform" in made.fast_methods) is is_fast
