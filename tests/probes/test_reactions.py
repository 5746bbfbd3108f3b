"""What a model is asked, and what is kept of its reactions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import BernoulliRBM

from model_quantization.probes.reactions import (
    ALL_ROWS,
    FEWEST_ROWS,
    Reactions,
    ask,
    same,
)
from tests.probes.models import LABELS, ROWS, rows_of


def test_a_large_model_is_asked_the_fewest_rows() -> None:
    model = LogisticRegression(max_iter=5000).fit(ROWS, LABELS)
    rows, reactions = ask(model, rows_of(model), thorough=False)
    assert len(rows) == reactions.rows == FEWEST_ROWS
    assert (ALL_ROWS, "predict") in reactions.calls


def test_methods_that_draw_random_numbers_are_left_out() -> None:
    model = BernoulliRBM(3, random_state=np.random.RandomState(0)).fit(np.abs(ROWS) / 200)
    _, reactions = ask(model, rows_of(model), thorough=True)
    assert (ALL_ROWS, "transform") in reactions.calls
    assert (ALL_ROWS, "score_samples") not in reactions.calls


def test_reactions_survive_their_files(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=5000).fit(ROWS, LABELS)
    _, reactions = ask(model, rows_of(model), thorough=True)
    assert any(reaction.raised for reaction in reactions.calls.values())
    reactions.to_files(tmp_path, "said")
    read = Reactions.from_files(tmp_path, "said")
    assert read.rows == reactions.rows
    assert read.calls.keys() == reactions.calls.keys()
    assert all(same(read.calls[call], reaction) for call, reaction in reactions.calls.items())
