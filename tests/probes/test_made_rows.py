"""Probe rows are made from a model, the same every time, in every form that it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_quantization.artifact.reader import read_artifact
from model_quantization.estimators.capture import capture
from model_quantization.evaluation.agreement import same_bits
from model_quantization.families import forest
from model_quantization.families.forest.catboost import model as catboost_model
from model_quantization.families.probing import ProbeValues
from model_quantization.graph.growing import GrowingArrays
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.probes.forms import all_rows, other_forms
from model_quantization.probes.made_rows import MOST_ROWS, make_rows
from model_quantization.probes.questions import probe_rows
from model_quantization.probes.reactions import (
    ask,
)
from model_quantization.probes.rows import ProbeRows
from model_quantization.probes.values import probe_values
from model_quantization.trust import TrustPolicy
from tests.artifact.golden_files import DIRECTORY as GOLDEN
from tests.probes.models import LABELS, ROWS, TABLE, TEXTS, rows_of


def test_rows_lie_on_and_beside_the_thresholds_of_trees() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)
    numbers = rows_of(model).numbers
    thresholds = np.concatenate(
        [tree.tree_.threshold[tree.tree_.feature == 1] for tree in model.estimators_]
    )
    on = np.isin(numbers[:, 1], thresholds)
    beside = np.isin(numbers[:, 1], np.nextafter(thresholds, np.inf))
    assert on.any()
    assert beside.any()


def test_thresholds_behind_a_scaler_are_carried_back_to_its_input() -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0))
    model.fit(ROWS, LABELS)
    scaler, forest = model[0], model[1]
    thresholds = np.concatenate(
        [tree.tree_.threshold[tree.tree_.feature == 1] for tree in forest.estimators_]
    )
    scaled = scaler.transform(rows_of(model).numbers)[:, 1]
    nearest = np.abs(scaled[:, None] - thresholds).min(axis=1)
    assert (nearest < 1e-12).sum() > MOST_ROWS // 8


def on_and_beside(numbers: Any, thresholds: Any) -> tuple[bool, bool]:
    """Whether a column holds a threshold, and the number after one."""
    after = np.isin(numbers, np.nextafter(thresholds, np.inf))
    return bool(np.isin(numbers, thresholds).any()), bool(after.any())


@pytest.mark.parametrize("options", [{}, {"linear_tree": True}], ids=["trees", "linear leaves"])
def test_thresholds_of_lightgbm_are_read_from_its_own_text(options: dict[str, Any]) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMRegressor(n_estimators=4, n_jobs=1, verbose=-1, **options)
    model.fit(ROWS, ROWS[:, 1])
    splits = model.booster_.trees_to_dataframe().query("split_feature == 'Column_1'")
    assert on_and_beside(rows_of(model).numbers[:, 1], splits.threshold.to_numpy()) == (True, True)


@pytest.mark.parametrize("options", [{}, {"booster": "dart"}], ids=["gbtree", "dart"])
def test_thresholds_of_xgboost_are_read_from_its_own_bytes(options: dict[str, Any]) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBRegressor(n_estimators=4, n_jobs=1, **options).fit(ROWS, ROWS[:, 1])
    splits = model.get_booster().trees_to_dataframe().query("Feature == 'f1'")
    thresholds = splits.Split.to_numpy(dtype=np.float32).astype(np.float64)
    assert on_and_beside(rows_of(model).numbers[:, 1], thresholds) == (True, True)


def test_borders_of_catboost_are_read_from_its_own_bytes() -> None:
    # An artifact's trees, filled into the library's bytes again: the library is not needed.
    artifact = read_artifact(GOLDEN / "catboost.qma")
    arrays = GrowingArrays(artifact)
    node = forest.unpack(artifact.root, arrays)
    view = ComponentView(node, Context.of(node, arrays))
    trees = catboost_model.read_model(view["__model"]).trees
    found = probe_values(view).numbers
    assert found.keys() == set(trees.feature.tolist())
    for column, values in found.items():
        np.testing.assert_array_equal(values, np.unique(trees.threshold[trees.feature == column]))


@pytest.mark.parametrize(
    "data", [b"", b"split_feature=x y\nthreshold=1 2\n", b"split_feature=0\nthreshold=1 2\n"]
)
def test_a_booster_of_an_unknown_format_is_asked_generic_rows(data: bytes) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, ROWS[:, 1])
    graph = capture(model, TrustPolicy())
    other = np.frombuffer(data, dtype=np.uint8)
    changed = replace(
        graph, arrays=tuple(other if a.dtype == np.uint8 else a for a in graph.arrays)
    )
    found = probe_rows(changed, {"": model})[""]
    np.testing.assert_array_equal(found.numbers, make_rows(ProbeValues(), 4, None).numbers)
    assert (rows_of(model).numbers != found.numbers).any()


def test_tables_hold_every_category_in_its_own_type() -> None:
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["size"]))
    rows = rows_of(make_pipeline(columns, Ridge()).fit(TABLE, TABLE["size"]))
    assert rows.kind == "table"
    assert {*rows.columns[0]} == {"red", "green", "blue"}
    assert all(isinstance(cell, float) for cell in rows.columns[1])


def test_documents_hold_terms_unseen_words_and_odd_texts() -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [0, 1, 2, 2] * 6)
    documents = rows_of(model).documents
    assert "" in documents
    assert any("apple" in text for text in documents)
    assert any("zzqxv" in text for text in documents)
    assert any(not text.isascii() for text in documents)


def test_mappings_hold_known_entries_unknown_keys_and_unseen_texts(tmp_path: Path) -> None:
    known = [{"city": "Rome", "rooms": 2}, {"city": "Oslo", "port": True}, {"rooms": 3.5}]
    model = make_pipeline(DictVectorizer(), LogisticRegression()).fit(known, [0, 1, 1])
    rows = rows_of(model)
    assert rows.kind == "mappings"
    cells = [(key, cell) for row in rows.mappings for key, cell in row.items()]
    for entry in (("city", "Rome"), ("city", "Oslo"), ("zzqxv", 1.5)):
        assert entry in cells
    assert any(key == "rooms" and type(cell) is float for key, cell in cells)
    assert any(isinstance(cell, str) and not cell.isascii() for _, cell in cells)
    assert {} in rows.mappings
    assert any(model.predict(all_rows(rows)) != model.predict([{}]))
    rows.to_files(tmp_path, "rows")
    assert ProbeRows.from_files(tmp_path, "rows").mappings == rows.mappings


def test_fewer_rows_are_a_prefix_and_the_same_model_gives_the_same_rows(tmp_path: Path) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)
    one, other = rows_of(model), rows_of(model)
    assert same_bits(one.numbers, other.numbers)
    assert same_bits(one.first(5).numbers, one.numbers[:5])
    one.to_files(tmp_path, "rows")
    read = ProbeRows.from_files(tmp_path, "rows")
    assert same_bits(read.numbers, one.numbers)
    assert (read.kind, read.names, read.columns) == (one.kind, one.names, one.columns)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["numbers", "table", "documents", "mappings"])
def test_every_form_can_be_made(kind: str, named: bool) -> None:
    names = ("a", "b") if named else None
    values = {
        "numbers": ProbeValues({0: np.array([1.0, 2.0])}),
        "table": ProbeValues(categories={0: ("x", "y"), 1: (1, 2)}),
        "documents": ProbeValues(documents=("x", "y")),
        "mappings": ProbeValues(mappings=(("city", "Rome"), ("rooms", None))),
    }[kind]
    rows = make_rows(values, None if kind in ("documents", "mappings") else 2, names)
    assert rows is not None
    assert rows.kind == kind
    assert len(rows) == len(all_rows(rows)) == MOST_ROWS
    for form in other_forms(rows).values():
        assert form(rows) is not None


@pytest.mark.parametrize("values", [[np.nan], [np.inf, -np.inf], [1e308, -1e308], [0.0], []])
def test_odd_values_of_a_model_still_give_finite_rows(values: list[float]) -> None:
    rows = make_rows(ProbeValues({0: np.array(values)}), 2, None)
    assert rows is not None
    assert np.isfinite(rows.numbers).all()


def test_a_model_without_columns_gives_no_rows() -> None:
    assert make_rows(ProbeValues(), 0, None) is None


def test_a_model_that_takes_neither_numbers_nor_documents_is_not_asked() -> None:
    model = DictVectorizer().fit([{"a": 1}, {"b": 2}])
    rows = make_rows(ProbeValues(), None, None)
    assert rows is not None
    _, reactions = ask(model, rows, thorough=True)
    assert not reactions.calls
    assert not reactions.rows
