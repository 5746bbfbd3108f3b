"""Shadow mode: which calls are compared, what counts as a difference, and when it is too much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model_quantization.errors import ConfigError
from model_quantization.serving.shadow import LEAST_ROWS, Shadow


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 1.0])
def test_the_sampled_share_is_spread_evenly_and_always_the_same(share: float) -> None:
    first, second = Shadow(share, 0), Shadow(share, 0)
    picked = [first.is_next() for _ in range(2000)]
    assert picked == [second.is_next() for _ in range(2000)]
    for start in range(0, 2000, 500):
        assert sum(picked[start : start + 500]) == pytest.approx(500 * share, abs=3)


@pytest.mark.parametrize(
    ("method", "mine", "theirs", "differing"),
    [
        ("predict", ["a", "b", "c"], np.array(["a", "x", "c"]), 1),
        ("predict", [1, 2, 3], [1, 2, 4], 1),
        ("predict", [0.0, 1.0, 1.0], [0.0, 0.0, 1.0], 1),
        ("predict", [100.0, 50.0, 0.1], [100.9, 50.0, 0.0], 0),  # within 1 % of the largest
        ("predict", [100.0, 52.0, np.nan], [100.0, 50.0, np.nan], 1),
        ("predict", [np.nan, np.inf, -np.inf], [1.0, np.inf, np.inf], 2),
        ("predict", [[1, 2], [3, 4]], [[1, 2], [3, 5]], 1),
        ("predict", [1, 2], [1, 2, 3], 3),  # another number of rows
        ("predict_proba", [[0.6, 0.4], [0.1, 0.9]], [[0.9, 0.1], [0.2, 0.8]], 0),
        ("predict_proba", [[0.6, 0.4], [0.51, 0.49]], [[0.9, 0.1], [0.49, 0.51]], 1),
        ("predict_log_proba", [[-0.1, -3.0]], [[-3.0, -0.1]], 1),
        ("decision_function", [0.1, -2.0, 3.0], [-0.1, -1.0, 9.0], 1),
        ("decision_function", [[1.0, 2.0, 0.0]], [[1.0, 2.5, 0.0]], 0),
        ("predict_proba", [np.eye(2), np.eye(2)], [np.eye(2), np.eye(2)[::-1]], 2),
        ("predict_proba", [np.eye(2)], [np.eye(2), np.eye(2)], 2),
    ],
)
def test_what_counts_as_a_difference(method: str, mine: Any, theirs: Any, differing: int) -> None:
    shadow = Shadow(1.0, 0.9)
    assert shadow.record("artifact", method, mine, theirs) == ""
    assert shadow.differing == differing
    assert shadow.rows == (2 if isinstance(mine, list) and np.ndim(mine[0]) == 2 else len(theirs))


def test_beyond_the_limit_there_is_a_reason_and_before_enough_rows_there_is_none() -> None:
    shadow = Shadow(1.0, 0.02)
    same = [1] * (LEAST_ROWS - 10)
    assert shadow.record("one", "predict", [1, 1, 1], [1, 2, 2]) == ""
    assert shadow.record("one", "predict", same, same) == ""
    reason = shadow.record("one", "predict", [1] * 10, [2] + [1] * 9)
    assert reason == "in shadow, 3 of 103 rows were answered differently, more than 0.02 of them"
    # Another artifact begins anew.
    assert shadow.record("two", "predict", [1], [2]) == ""
    assert shadow.to_json() == {
        "share": 1.0, "limit": 0.02, "calls": 1, "rows": 1, "differing": 1, "errors": 0,
        "last_error": "",
    }  # fmt: skip


def test_exactly_the_limit_is_allowed() -> None:
    shadow = Shadow(1.0, 0.02)
    assert shadow.record("one", "predict", [1] * 100, [2, 2] + [1] * 98) == ""
    assert shadow.record("one", "predict", [1], [2])


def test_a_comparison_that_was_not_possible_is_counted() -> None:
    shadow = Shadow(0.5, 0.1)
    shadow.skipped("no original")
    assert shadow.to_json()["errors"] == 1 and shadow.to_json()["last_error"] == "no original"


@pytest.mark.parametrize(
    ("share", "limit", "where"),
    [(-0.1, 0.1, "shadow"), (1.1, 0.1, "shadow"), (0.5, 1.0, "shadow_limit"),
     (0.5, -0.1, "shadow_limit"), (float("nan"), 0.1, "shadow")],
)  # fmt: skip
def test_shares_that_are_none(share: float, limit: float, where: str) -> None:
    with pytest.raises(ConfigError, match=f"{where}: not a share"):
        Shadow(share, limit)
