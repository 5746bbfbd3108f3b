"""Vocabularies: native code makes a matrix of their columns without checking them."""

from __future__ import annotations

from typing import Any

from model_quantization.estimators.checks.errors import refuse


def check_vocabulary(args: list[Any], state: Any, path: str) -> None:
    """Refuse a vocabulary with columns beyond its number of terms."""
    check_content(state, path)
    vocabulary = state.get("vocabulary_")
    if not vocabulary:
        return
    columns = vocabulary.values()
    if min(columns) < 0 or max(columns) >= len(vocabulary):
        refuse(path, "a column of a term is out of range", f"{len(vocabulary)} terms")


def check_hashing(args: list[Any], state: Any, path: str) -> None:
    """Refuse a number of columns that hashes cannot be taken modulo of."""
    check_content(state, path)
    columns = state["n_features"]
    if type(columns) is bool or not 0 < columns < 1 << 31:
        refuse(path, "a number of columns out of range", repr(columns)[:80])


def check_content(state: Any, path: str) -> None:
    """Refuse a vectorizer that takes documents for names of files, which it would open."""
    source = state.get("input", "content")
    if source != "content" and "analyzer" in state:
        refuse(path, "a vectorizer that opens the files its callers name", repr(source)[:80])
