"""Models of models behind text, and a model of a table: what the golden files hold of them."""

from __future__ import annotations

from typing import Any

import numpy as np

TEXTS = ["the quick brown fox", "jumps over the lazy dog", "der schnelle Fuchs", "a quick dog"] * 5
BEHIND_TEXT = ("text_calibrated", "text_one_vs_rest", "text_chain")


def behind_text(name: str) -> Any:
    """A fitted vectorizer before a calibrated, a one-versus-rest or a chained linear model."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import ClassifierChain
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    places = np.arange(len(TEXTS))
    target: Any = places % 4 // 2
    match name:
        case "text_calibrated":
            last: Any = CalibratedClassifierCV(LinearSVC(random_state=0), cv=3)
        case "text_one_vs_rest":
            last, target = OneVsRestClassifier(LogisticRegression()), places % 4
        case _:
            last = ClassifierChain(LogisticRegression(), order=[1, 0, 2])
            target = np.column_stack([places % 2, target, places % 4 == 1]).astype(int)
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), last).fit(TEXTS, target)


def table() -> Any:
    """Rows with names of towns, a few of them missing, and numbers, a few of them missing."""
    import pandas as pd

    rng = np.random.default_rng(9)
    towns = np.array([f"town {number:03d}" for number in range(80)], dtype=object)
    gaps = rng.random(160) < 0.1
    return pd.DataFrame(
        {
            "town": pd.Series(np.where(gaps, None, rng.choice(towns, 160)), dtype=object),
            "age": np.where(gaps[::-1], np.nan, rng.integers(18, 90, 160)),
            "rooms": rng.integers(1, 6, 160),
        }
    )


def of_table() -> Any:
    """The classic pipeline of tables, fitted."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = table()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=2), ["town"]),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "rooms"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(rows, rows["rooms"] > 2)
