"""Column transformers: text and numbers of one table, side by side, before a linear model.

The fast predictor is for tables whose text columns go to vectorizers and whose columns of numbers
are scaled or left as they are; anything else is answered by the restored estimator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ml.quantization.families.family import Component, Example, Family, Lowered

_COLUMNS = "sklearn.compose._column_transformer:ColumnTransformer"
_FUNCTION = "sklearn.preprocessing._function_transformer:FunctionTransformer"


def lower(component: Component, exact: bool) -> Lowered | None:
    """One step out of all columns; None when a part has no fast form."""
    from ml.quantization.kernels.frame_columns import FrameStep, TextColumn

    names = component.get("feature_names_in_")
    places = component.get("_transformer_to_input_indices")
    if names is None or not isinstance(places, dict) or component.get("sparse_output_") is not True:
        return None
    if component.get("transformer_weights") is not None:
        return None
    parts: list[Any] = []
    paths = [component.path]
    for name, step, asked in component["transformers_"]:
        columns = [str(names[place]) for place in places.get(name, ())]
        if step == "drop" or not columns:
            continue
        part = _part(step, columns, isinstance(asked, str | int), exact)
        if part is None:
            return None
        parts.append(part)
        paths.append(f"{component.path}/{name}")
    if not any(isinstance(part, TextColumn) for part in parts):
        return None
    table = FrameStep(tuple(parts))
    return Lowered({"transform": table.matrix}, input="table", names=tuple(paths), text=table)


def _part(step: object, columns: list[str], is_single: bool, exact: bool) -> Any:
    """One transformer's columns: a column of text, columns of numbers, or None."""
    from ml.quantization.kernels.frame_columns import NumberColumns, TextColumn

    if step == "passthrough" or _passes_through(step):
        return NumberColumns(tuple(columns), None)
    lowered = step.lower(exact) if isinstance(step, Component) else None
    if lowered is None:
        return None
    if lowered.text is not None and lowered.input == "text":
        return TextColumn(columns[0], lowered.text) if is_single and len(columns) == 1 else None
    # Only a scaler is known to give as many columns as it takes.
    if is_single or lowered.affine is None or lowered.n_features != len(columns):
        return None
    return NumberColumns(tuple(columns), lowered.methods["transform"])


def _passes_through(step: object) -> bool:
    if not isinstance(step, Component) or step.type != _FUNCTION:
        return False
    return step.get("func") is None and not step.get("validate")


def examples() -> Iterable[Example]:
    """A table of text, numbers and a column that is dropped, before a linear model."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    words = np.array(
        [
            "red",
            "green",
            "blue",
            "old",
            "new",
            "big",
            "small",
            "round",
            "flat",
            "dry",
            "wet",
            "loud",
            "calm",
        ]
    )
    texts = [" ".join(words[rng.integers(0, len(words), 6)]) for _ in range(80)]
    table = pd.DataFrame(
        {
            "title": texts,
            "price": rng.normal(20, 5, 80),
            "stock": rng.integers(0, 9, 80),
            "weight": rng.normal(3, 1, 80),
            "text": texts[::-1],
            "note": 1,
        }
    )
    columns = ColumnTransformer(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2)), "title"),
            ("numbers", StandardScaler(), ["price", "weight"]),
            ("letters", CountVectorizer(analyzer="char", dtype=float), "text"),
            ("rest", "passthrough", ["stock"]),
        ],
        sparse_threshold=1.0,
    )
    labels = np.where(table["price"] > 20, "dear", "cheap")
    model = make_pipeline(columns, LogisticRegression(C=0.1, max_iter=500))
    yield Example("text and numbers", model.fit(table, labels), table)


FAMILY = Family(name="columns", types=frozenset({_COLUMNS}), lower=lower, examples=examples)
