"""Column transformers: columns that pass through, and those that remain."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from model_quantization.loading.pickles.migrations.names import COLUMN_LIST
from model_quantization.loading.pickles.migrations.stand_ins import Gone
from model_quantization.loading.pickles.migrations.steps import State, Step


def _listed(columns: Any) -> Any:
    """Columns as a plain list: for three releases those that remain were a class of their own."""
    if isinstance(columns, Gone) and columns.name == COLUMN_LIST:
        return list(vars(columns)["data"])
    return columns


def _plain_columns(state: State) -> None:
    for name in ("_transformer_to_input_indices", "output_indices_"):
        if isinstance(state.get(name), dict):
            state[name] = {key: _listed(columns) for key, columns in state[name].items()}
    if "_remainder" in state:
        state["_remainder"] = tuple(_listed(part) for part in state["_remainder"])
    if "_columns" in state:
        state["_columns"] = [_listed(columns) for columns in state["_columns"]]
    if "transformers_" in state:
        state["transformers_"] = [
            (name, transformer, _listed(columns))
            for name, transformer, columns in state["transformers_"]
        ]


def _passing_through(state: State) -> None:
    """Where columns passed through there was a word; since 1.4 there is a fitted transformer."""
    fitted = state.pop("_name_to_fitted_passthrough", {})
    if "transformers_" not in state:
        return
    state["transformers_"] = [
        (name, fitted.get(name) or _identity(state, name), columns)
        if transformer == "passthrough"
        else (name, transformer, columns)
        for name, transformer, columns in state["transformers_"]
    ]


def _identity(state: State, name: str) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    made = FunctionTransformer(
        accept_sparse=True, check_inverse=False, feature_names_out="one-to-one"
    )
    if "_sklearn_output_config" in state:
        made._sklearn_output_config = dict(state["_sklearn_output_config"])
    indices = state.get("_transformer_to_input_indices", {}).get(name)
    if indices is not None:
        made.n_features_in_ = len(indices)
        if "feature_names_in_" in state:
            made.feature_names_in_ = np.asarray(state["feature_names_in_"])[list(indices)]
    return made


_COLUMNS: Final = ("sklearn.compose._column_transformer:ColumnTransformer",)

STEPS: Final = (
    Step(
        _COLUMNS,
        "1.4",
        "1.4: transformers_ holds a fitted transformer for columns that pass through",
        _passing_through,
    ),
    Step(
        _COLUMNS,
        "",
        "1.8: columns that remain are a plain list; in 1.5 to 1.7 they had a class of their own",
        _plain_columns,
    ),
)
