"""Column transformers: text, categories and numbers of one table, side by side, before a model.

The fast predictor is for tables whose text columns go to vectorizers, whose categories are encoded
and whose columns of numbers are filled, scaled or unchanged. The restored estimator answers others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.families.family import Component, Example, Family, Parts
from model_quantization.families.forms import Columns, Dense, Text
from model_quantization.families.lowered import Lowered, NotFast

if TYPE_CHECKING:
    from model_quantization.families.probing import Collect, ProbeValues

_COLUMNS = "sklearn.compose._column_transformer:ColumnTransformer"
_FUNCTION = "sklearn.preprocessing._function_transformer:FunctionTransformer"
_OUTPUT_CONFIG = "_sklearn_output_config"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """One step out of all columns, or the part that has no fast form."""
    from model_quantization.kernels.tables.frame_columns import FrameStep, TextColumn

    names = component.get("feature_names_in_")
    places = component.get("_transformer_to_input_indices")
    sparse = component.get("sparse_output_")
    if names is None or not isinstance(places, dict) or not isinstance(sparse, bool):
        return NotFast("it was fitted without the names of columns")
    if component.get("transformer_weights") is not None or _OUTPUT_CONFIG in component:
        return NotFast("its parts have weights, or it gives frames")
    parts: list[Any] = []
    paths = [component.path]
    for name, step, asked in component["transformers_"]:
        columns = [str(names[place]) for place in places.get(name, ())]
        if step == "drop" or not columns:
            continue
        part = _part(step, columns, isinstance(asked, str | int), exact)
        if isinstance(part, NotFast):
            return part
        parts.append(part)
        paths.append(f"{component.path}/{name}")
    table = FrameStep(tuple(parts))
    if sparse:
        form: Text | Dense = Text(table)
    elif not parts or any(isinstance(part, TextColumn) for part in parts):
        return NotFast("it makes a dense matrix of text, or of nothing")
    else:
        form = Dense(table.rows)
    return Lowered({}, by="columns of a table", names=tuple(paths), input="table", form=form)


def _part(step: object, columns: list[str], is_single: bool, exact: bool) -> Any:
    """One transformer's columns, of text, categories or numbers; or why they have no fast form."""
    from model_quantization.kernels.tables.frame_columns import (
        CategoryColumns,
        NumberColumns,
        TextColumn,
    )

    if step == "passthrough" or _passes_through(step):
        return NumberColumns(tuple(columns), None)
    if not isinstance(step, Component):
        return NotFast("a transformer is no estimator")
    lowered = step.lower(exact)
    if isinstance(lowered, NotFast):
        return lowered
    one_text = is_single and len(columns) == 1
    match lowered.form:
        case Text(step=text) if lowered.input == "text" and one_text:
            return TextColumn(columns[0], text)
        case Columns(encoder=encoder, filler=filler) if encoder is not None and not is_single:
            return CategoryColumns(tuple(columns), filler, encoder)
    transform = lowered.methods.get("transform")
    if transform is None or lowered.input != "rows" or is_single:
        return NotFast("a transformer gives no columns of numbers", where=step.path)
    if not lowered.n_features == lowered.n_columns == len(columns):
        return NotFast("the number of columns that it gives is not known", where=step.path)
    return NumberColumns(tuple(columns), transform)


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


def _mixed(rng: np.random.Generator) -> tuple[Any, Any]:
    """The classic pipeline of tables, and a table with something missing in every column."""
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
