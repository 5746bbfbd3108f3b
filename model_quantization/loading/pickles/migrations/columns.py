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


def _known_columns(state: State) -> None:
    """Names of the columns, and which of them each transformer takes."""
    names = state.pop("_feature_names_in", None)
    state.pop("_df_columns", None)
    if names is not None and all(isinstance(name, str) for name in names):
        state.setdefault("feature_names_in_", np.asarray(names, dtype=object))
    if "transformers_" not in state or "_transformer_to_input_indices" in state:
        return
    width = state.setdefault("n_features_in_", state.get("_n_features"))
    given = [
        (name, columns)
        for (name, *_), columns in zip(state["transformers"], state["_columns"], strict=True)
    ]
    name, _, rest = state["_remainder"]
    state["_transformer_to_input_indices"] = {
        key: _numbered(columns, state.get("feature_names_in_"), width)
        for key, columns in [*given, (name, [] if rest is None else rest)]
    }
    if "feature_names_in_" in state:
        for key, transformer, _ in state["transformers_"]:
            indices = state["_transformer_to_input_indices"].get(key)
            if indices:
                _tell_names(transformer, state["feature_names_in_"][indices])


def _tell_names(transformer: Any, names: Any) -> None:
    """Give a transformer the names of the columns it is given; since 1.0 it asks for them."""
    if isinstance(transformer, str):
        return
    steps = getattr(transformer, "steps", None)
    if steps:
        _tell_names(steps[0][1], names)
    elif "feature_names_in_" not in vars(transformer):
        transformer.feature_names_in_ = names


def _numbered(columns: Any, names: Any, width: Any) -> list[int]:
    """Columns by their numbers, however they were given."""
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            known = list(names)
            start = None if columns.start is None else known.index(columns.start)
            stop = None if columns.stop is None else known.index(columns.stop) + 1
            columns = slice(start, stop, columns.step)
        return [*range(width)[columns]]
    listed: list[Any] = [columns] if isinstance(columns, str | int) else list(columns)
    if listed and all(isinstance(column, bool | np.bool_) for column in listed):
        return [number for number, taken in enumerate(listed) if taken]
    places = {} if names is None else {name: number for number, name in enumerate(names)}
    return [places[column] if isinstance(column, str) else int(column) % width for column in listed]


_COLUMNS: Final = ("sklearn.compose._column_transformer:ColumnTransformer",)

STEPS: Final = (
    Step(
        _COLUMNS,
        "1.0",
        "1.0: feature_names_in_; ColumnTransformer looks up columns by their numbers",
        _known_columns,
    ),
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
