"""Which predictor answers each method, and why the others are not fast."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from model_quantization.api import ModelQuantizer
from model_quantization.artifact.reader import read_artifact
from model_quantization.predictor.explanation import Explanation
from model_quantization.predictor.opening import explain, iter_models
from model_quantization.predictor.quantized_model import QuantizedModel

X = np.random.default_rng(0).normal(size=(60, 5))
Y = (X[:, 0] > 0).astype(int)
TEXTS = ["red fish", "blue fish", "old red boat", "new boat"] * 15


def quantized(model: Any, bit_depth: int | str = "exact") -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


def test_a_fused_pipeline_says_what_was_fused() -> None:
    made = quantized(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y))
    found = made.explain()
    answers = {one.method: one for one in found.methods}
    assert answers.keys() == set(made._methods)
    assert answers["predict"].fast
    assert answers["predict"].by == "terms of documents, straight to linear scores"
    assert not answers["score"].fast and answers["score"].why
    assert [one.path for one in found.components] == [
        "",
        "steps/tfidfvectorizer",
        "steps/logisticregression",
    ]
    assert found.components[0].family == "pipeline" and found.exact


def test_the_component_that_is_the_reason_is_named() -> None:
    model = make_pipeline(NeighborhoodComponentsAnalysis(max_iter=2), LogisticRegression()).fit(
        X, Y
    )
    found = quantized(model).explain()
    assert not any(one.fast for one in found.methods)
    why = "no family speaks for sklearn.neighbors._nca:NeighborhoodComponentsAnalysis"
    assert {one.why for one in found.methods} == {f"steps/neighborhoodcomponentsanalysis: {why}"}
    assert {one.path: one.fast for one in found.components} == {
        "": False,
        "steps/neighborhoodcomponentsanalysis": False,
        "steps/logisticregression": True,
    }
    assert found.components[0].where == "steps/neighborhoodcomponentsanalysis"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (SVC(kernel=linear_kernel), "its kernel is a function or a matrix of its caller's"),
        (SVC().fit(csr_array(X), Y), "it was fitted on sparse rows"),
        (BaggingClassifier(SVR(), 2), "estimators_/0: its numbers have libsvm's last bits"),
        (BaggingClassifier(n_estimators=2, n_jobs=2), "with `n_jobs` bagging adds up"),
        (LogisticRegression().fit(X, Y).sparsify(), "its weights are a sparse matrix"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_reasons(model: Any, reason: str) -> None:
    fitted = model if hasattr(model, "classes_") else model.fit(X, Y)
    found = quantized(fitted).explain()
    assert all(one.why.startswith(reason) for one in found.methods if one.method != "apply")


def test_frames_are_given_by_the_estimator() -> None:
    made = quantized(StandardScaler().fit(X))
    assert made.explain().methods[0].fast
    made.set_output(transform="pandas")
    assert made.explain().methods[0].why == "it gives frames, as `set_output` asked"


def test_it_prints_as_a_table_and_as_json() -> None:
    found = quantized({"a": RandomForestClassifier(2).fit(X, Y)}["a"]).explain()
    lines = str(found).splitlines()
    assert lines[0] == "RandomForestClassifier"
    assert lines[1].split() == ["method", "answered", "by", "why"]
    assert lines[2].startswith("predict ") and "the mean of the trees" in lines[2]
    assert len({line.index(line.split()[1]) for line in lines[1:]}) == 1  # aligned
    record = json.loads(json.dumps(found.to_json()))
    assert Explanation.from_json(record) == found
    html = found._repr_html_()
    assert html.startswith("<table><tr><th>method</th>") and html.count("<table>") == 1


def test_a_page_shows_text_as_text() -> None:
    made = quantized(make_pipeline(StandardScaler(), SVC()).fit(X, Y))
    record = made.explain().to_json()
    record["components"][1]["path"] = "<script>"
    html = Explanation.from_json(record)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_each_model_of_a_container_is_explained(tmp_path: Path) -> None:
    models = {"a": LogisticRegression().fit(X, Y), "b": [SVR().fit(X, Y)]}
    made, _ = ModelQuantizer(bit_depth="exact").quantize_model(models)
    path = next(iter_models(made)).save(tmp_path / "two.qma")
    found = explain(read_artifact(path))
    assert [one.path for one in found] == ["a", "b/0"]
    assert [one.methods[0].fast for one in found] == [True, False]
    assert [len(one.components) for one in found] == [1, 1]
    assert str(found[0]).startswith("a: LogisticRegression\n")


# Names, texts and signatures --------------------------------------------------------------


def test_texts_and_signatures_are_the_originals() -> None:
    made = quantized(TfidfVectorizer().fit(TEXTS))
    assert list(inspect.signature(made.transform).parameters) == ["raw_documents", "n_jobs"]
    assert "Transform documents to document-term matrix." in (made.transform.__doc__ or "")
    model = quantized(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    assert list(inspect.signature(model.predict).parameters) == ["X", "n_jobs", "params"]
    assert list(inspect.signature(model.score).parameters)[:2] == ["X", "y"]
    assert model.predict.__name__ == "predict"


def test_the_originals_argument_names_work() -> None:
    original = TfidfVectorizer().fit(TEXTS)
    made = quantized(original)
    expected = original.transform(TEXTS)
    assert (made.transform(raw_documents=TEXTS) != expected).nnz == 0
    assert made._restored is None  # it was fast
    with pytest.raises(TypeError, match="unexpected keyword argument 'X'"):
        made.transform(X=TEXTS)
    linear = quantized(LogisticRegression().fit(X, Y))
    np.testing.assert_array_equal(linear.predict(X=X, n_jobs=2), linear.predict(X))
    assert linear._restored is None


KNOWS_NO_CLASS = """
import inspect, sys
import model_quantization as mq
model = mq.load(sys.argv[1])
assert list(inspect.signature(model.transform).parameters) == ["raw_documents", "n_jobs", "options"]
assert "rows transformed" in model.transform.__doc__
assert {"transform", "idf_", "explain", "save"} - {"idf_"} <= set(dir(model))
assert "TfidfVectorizer" in repr(model) and "fast: transform" in repr(model)
print(model.explain())
assert "sklearn" not in sys.modules
"""


def test_all_that_works_without_scikit_learn(tmp_path: Path) -> None:
    path = quantized(TfidfVectorizer().fit(TEXTS)).save(tmp_path / "text.qma")
    done = subprocess.run(
        [sys.executable, "-c", KNOWS_NO_CLASS, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "terms of documents" in done.stdout


def test_tab_completion_knows_properties_of_the_class() -> None:
    made = quantized(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    assert {"named_steps", "steps", "predict", "explain", "save", "classes_"} <= set(dir(made))
    forest = quantized(RandomForestClassifier(2).fit(X, Y))
    assert {"classes_", "feature_importances_", "n_features_in_", "apply"} <= set(dir(forest))
    assert not [name for name in dir(forest) if name.startswith("tree_")]
