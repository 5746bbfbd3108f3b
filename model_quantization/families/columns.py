"""Column transformers: text, categories and numbers of one table, side by side, before a model.

Text columns go to vectorizers, categories are encoded, and columns of numbers go through any step
that has a fast `transform`. Fitted on an array, its columns are numbered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import Columns, Dense, Text
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.steps import gives_frames

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues

_COLUMNS = "sklearn.compose._column_transformer:ColumnTransformer"
_FUNCTION = "sklearn.preprocessing._function_transformer:FunctionTransformer"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """All columns as one step, or the reason why a part has no fast form."""
    from model_quantization.kernels.tables.frame_columns import FrameStep

    names = component.get("feature_names_in_")
    places = component.get("_transformer_to_input_indices")
    sparse, width = component.get("sparse_output_"), component.get("n_features_in_")
    if not isinstance(places, dict) or not isinstance(sparse, bool) or type(width) is not int:
        return NotFast("it was fitted by a version that does not say which columns are whose")
    if component.get("transformer_weights") is not None or gives_frames(component):
        return NotFast("its parts have weights, or it gives frames")
    # A file can claim any width: nothing of that length may be allocated.
    known: Sequence[Any] = range(width) if names is None else [str(name) for name in names]
    parts: list[Any] = []
    paths = [component.path]
    for name, step, asked in component["transformers_"]:
        columns = [known[place] for place in places.get(name, ())]
        if step == "drop" or not columns:
            continue
        if names is None and not isinstance(asked, list | np.ndarray):
            return NotFast("its columns of an array are a slice, or a single one")
        part = _part(step, columns, isinstance(asked, str | int), exact)
        if isinstance(part, NotFast):
            return part
        parts.append(part)
        paths.append(f"{component.path}/{name}")
    if not parts:
        return NotFast("it makes a matrix of nothing")
    table = FrameStep(tuple(parts), of_array=names is None)
    return Lowered(
        {},
        by="columns of a table",
        names=tuple(paths),
        input="table" if names is not None else "cells",
        n_features=None if names is not None else width,
        n_columns=table.n_columns,
        form=Text(table) if sparse else Dense(table.rows),
    )


def _part(step: object, columns: list[Any], is_single: bool, exact: bool) -> Any:
    """One transformer's columns, of text, categories or numbers; or why they have no fast form."""
    from model_quantization.kernels.tables.frame_columns import (
        CategoryColumns,
        NumberColumns,
        TextColumn,
    )

    if step == "passthrough" or _passes_through(step):
        return NumberColumns(tuple(columns), None, len(columns))
    if not isinstance(step, Component):
        return NotFast("a transformer is no estimator")
    lowered = step.lower(exact)
    if isinstance(lowered, NotFast):
        return lowered
    one_text = is_single and len(columns) == 1
    transform = lowered.methods.get("transform")
    width = lowered.n_columns
    match lowered.form:
        case Text(step=text) if lowered.input == "text" and one_text:
            return TextColumn(columns[0], text)
        case Columns(encoder=encoder, filler=filler) if encoder is not None and not is_single:
            return CategoryColumns(tuple(columns), filler, encoder)
        case Text(step=sparse) if lowered.input == "rows" and hasattr(sparse, "rows"):
            transform, width = sparse.rows, sparse.n_columns
    if transform is None or lowered.input != "rows" or is_single:
        return NotFast("a transformer gives no columns of numbers", where=step.path)
    if lowered.n_features != len(columns) or width is None:
        return NotFast("the number of columns that it gives is not known", where=step.path)
    return NumberColumns(tuple(columns), transform, width, lowered.takes)


def _passes_through(step: object) -> bool:
    if not isinstance(step, Component) or step.type != _FUNCTION:
        return False
    return step.get("func") is None and not step.get("validate")


def probe(component: Component, collect: Collect) -> ProbeValues:
    """Return the values of each transformer, under the column numbers of the whole table."""
    from model_quantization.families.probing import ProbeValues, merged

    places = component.get("_transformer_to_input_indices")
    if not isinstance(places, dict):
        return ProbeValues()
    found: list[ProbeValues] = []
    for name, step, asked in component["transformers_"]:
        columns = [int(place) for place in places.get(name, ())]
        if not isinstance(step, Component) or not columns:
            continue
        values = collect(step)
        if isinstance(asked, str | int) and values.documents:
            found.append(ProbeValues(text_columns={columns[0]: values.documents}))
        else:
            found.append(values.moved(dict(enumerate(columns))))
    return merged(found)


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
    yield Example("categories and numbers", *_mixed(rng))
    yield from _before_other_models(rng)


def _before_other_models(rng: np.random.Generator) -> Iterable[Example]:
    """Tables before trees and networks, dense and sparse, and an array by numbers of columns."""
    import warnings

    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

    rows = rng.normal(size=(80, 5))
    table = pd.DataFrame(rows, columns=["a", "b", "c", "d", "e"])
    table = table.assign(
        city=rng.choice(np.array(["Oslo", "Rome", "Kyiv"], dtype=object), 80),
        member=rows[:, 0] > 0.3,
        visits=pd.array((rows[:, 1] * 10).astype(int), dtype="Int64"),
        note=[" ".join(rng.choice(["red", "green", "blue"], 3)) for _ in range(80)],
    )
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    parts = [
        (PCA(2), ["a", "b", "c"]),
        (OneHotEncoder(), ["city"]),
        (KBinsDiscretizer(3, strategy="uniform"), ["d"]),
        (StandardScaler(), ["member", "visits"]),
        (CountVectorizer(), "note"),
    ]
    forest = RandomForestClassifier(5, random_state=0)
    for name, threshold in (("sparse", 1.0), ("dense", 0.0)):
        columns = make_column_transformer(
            *parts, remainder="passthrough", sparse_threshold=threshold
        )
        model = make_pipeline(columns, forest)
        yield Example(f"{name} before trees", model.fit(table, labels), table)
    columns = make_column_transformer(*parts, sparse_threshold=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few iterations are enough for an example
        model = make_pipeline(columns, MLPClassifier((8,), max_iter=5, random_state=0))
        yield Example("sparse before a network", model.fit(table, labels), table)
    columns = make_column_transformer(
        (StandardScaler(), [0, 2]), (PCA(1), [1, 4]), remainder="passthrough"
    )
    model = make_pipeline(columns, LogisticRegression())
    yield Example("columns of an array", model.fit(rows, labels), rows)


def _mixed(rng: np.random.Generator) -> tuple[Any, Any]:
    """The usual pipeline of tables, and a table with a missing value in every column."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    table = pd.DataFrame(
        {
            "age": np.where(rng.random(90) < 0.1, np.nan, rng.integers(18, 90, 90)),
            "city": rng.choice(np.array(["Oslo", "Rome", "Kyiv", None], dtype=object), 90),
            "rooms": rng.integers(1, 6, 90),
            "income": rng.lognormal(3, 1, 90),
            "grade": rng.choice(np.array(["low", "middle", "high", np.nan], dtype=object), 90),
        }
    )
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
            ),
            ["grade", "city"],
        ),
        (OrdinalEncoder(), ["rooms"]),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    return model.fit(table, table["income"] > 20), table


FAMILY = Family(
    name="columns",
    types=frozenset({_COLUMNS}),
    lower=lower,
    parts={_COLUMNS: Parts("transformers_", "name")},
    probe=probe,
    examples=examples,
)
