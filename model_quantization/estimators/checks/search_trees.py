"""Neighbors: the rows that are searched."""

from __future__ import annotations

from typing import Any

from model_quantization.estimators.checks.errors import refuse


def check_neighbors(args: list[Any], state: Any, path: str) -> None:
    """Refuse rows to search in that are empty, or of another shape than the estimator says."""
    rows = state.get("_fit_X")
    if rows is None:
        return
    count, width = state["n_samples_fit_"], state.get("n_features_in_", rows.shape[-1])
    if count < 1 or rows.shape != (count, width):
        refuse(path, "rows of another shape than was fitted", str(rows.shape))
