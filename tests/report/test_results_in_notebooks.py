"""Models, comparisons, outcomes and judgements display themselves; nothing in them is markup."""

from __future__ import annotations

import copy
import json
import pickle
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import model_quantization as mq
from model_quantization.displayed import html_line, html_table
from model_quantization.report.results import (
    Comparison,
    DirectoryResult,
    FileResult,
    comparison_notes,
)

HOSTILE = '<script>alert("x")</script>'
ROWS, LABELS = load_digits(return_X_y=True)


class Parsed(HTMLParser):
    """The tags of some HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not attrs
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def parsed(value: Any) -> Parsed:
    found = Parsed(value._repr_html_())
    assert set(found.tags) <= {"table", "caption", "tr", "th", "td", "p"}
    return found


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    return RandomForestClassifier(20, random_state=0).fit(ROWS[:900], LABELS[:900])


def test_tables_hold_text_only() -> None:
    html = html_table([(HOSTILE, 1)], head=(HOSTILE,), caption=HOSTILE) + html_line(HOSTILE)
    assert "<script" not in html
    assert Parsed(html).text.count(HOSTILE) == 4


def test_a_model_displays_what_answers_it(forest: RandomForestClassifier) -> None:
    quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(forest)
    text = parsed(quantized).text
    assert "RandomForestClassifier, 16 bits" in text
    assert "predict, predict_proba, predict_log_proba, apply" in text
    assert "rounds nothing" in text
    assert "decision_path" in text.partition("answered by the restored estimator")[2]
    assert quantized._restored is None  # and nothing was restored for the picture


def test_a_notebook_finds_no_other_picture_of_a_model(forest: RandomForestClassifier) -> None:
    quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(forest)
    # IPython asks for these in turn, before `_repr_html_`. scikit-learn's estimators have some.
    for name in (
        "_ipython_canary_method_should_not_exist_",
        "_ipython_display_",
        "_repr_mimebundle_",
        "_repr_svg_",
    ):
        assert not hasattr(quantized, name)
    assert quantized._restored is None


def test_a_models_names_are_no_markup() -> None:
    # A key of a dict is a path in the model, and may be anything.
    forest = RandomForestClassifier(20, random_state=0).fit(ROWS[:300], LABELS[:300])
    made, _ = mq.ModelQuantizer(bit_depth=16).quantize_model({HOSTILE: forest})
    assert "alert" in parsed(made[HOSTILE]).text


def test_a_files_result_displays_itself(
    forest: RandomForestClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "a<b>&c"
    joblib.dump(forest, f"{name}.joblib")
    result = mq.quantize_model_file(f"{name}.joblib", bit_depth="exact")
    assert isinstance(result, FileResult)
    found = parsed(result)
    assert f"{name}.joblib" in found.text
    assert "exact" in found.text
    for copied in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert copied == result
    assert json.loads(json.dumps(result)) == result


def test_a_directorys_result_displays_a_line_for_each_model(
    forest: RandomForestClassifier, tmp_path: Path
) -> None:
    joblib.dump(forest, tmp_path / "good.joblib")
    (tmp_path / "a<b>.pkl").write_bytes(b"no pickle")
    result = mq.batch_quantize_models(tmp_path, bit_depth="exact", latency_seconds=0)
    assert isinstance(result, DirectoryResult)
    found = parsed(result)
    assert found.tags.count("tr") == 3
    assert "a<b>" in found.text
    assert "refused" in found.text
    assert "2 models:" in found.text


def test_a_directory_without_models_displays_itself(tmp_path: Path) -> None:
    assert "No models." in parsed(mq.batch_quantize_models(tmp_path)).text


def test_a_comparison_displays_both_sides(forest: RandomForestClassifier) -> None:
    quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(forest)
    figures = mq.compare_model_performance(
        forest, quantized, X=ROWS[900:1000], y=LABELS[900:1000], budget_seconds=0.01
    )
    assert isinstance(figures, Comparison)
    text = parsed(figures).text
    assert "accuracy" in text
    assert "same answers: 100.00 % of 100 rows" in text
    assert "equal bit for bit: yes" in text


def test_changed_labels_of_text_are_counted() -> None:
    names = np.array([f"digit {digit}" for digit in range(10)])
    first = RandomForestClassifier(3, random_state=0).fit(ROWS[:900], names[LABELS[:900]])
    second = RandomForestClassifier(3, random_state=1).fit(ROWS[:900], names[LABELS[:900]])
    figures = mq.compare_model_performance(first, second, X=ROWS[900:950], budget_seconds=0.01)
    changed = int((first.predict(ROWS[900:950]) != second.predict(ROWS[900:950])).sum())
    assert changed > 0
    lines = list(comparison_notes(figures))
    assert f"changed answers of predict: {changed} of 50 rows" in lines
    assert not any(line.startswith("largest difference of predict:") for line in lines)


def test_a_failure_in_a_comparison_is_no_markup(forest: RandomForestClassifier) -> None:
    figures = mq.compare_model_performance(forest, forest, X=ROWS[900:950], budget_seconds=0.01)
    figures["failed"] = {HOSTILE: HOSTILE}
    assert parsed(figures).text.count(HOSTILE) == 2


def test_a_judgement_displays_its_checks() -> None:
    truth = np.arange(1000) % 2
    worse = truth.copy()
    worse[:30] = 1 - worse[:30]
    found = parsed(mq.judge_predictions(truth, truth, worse))
    assert found.text.split()[0] == "fallback"
    assert "loss" in found.text
    assert "lost" in found.text
    assert parsed(mq.judge_predictions(truth, truth, truth)).text.split()[:2] == [
        "published,",
        "label_exact",
    ]
