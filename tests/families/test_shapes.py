"""Arrays and numbers that do not fit each other are refused when a model is opened, by name.

Every array of every family's example is cut, doubled or emptied, and every number changed. What
opens nevertheless answers, or says in a named error that its values contradict each other.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import model_quantization as mq
from model_quantization.errors import QuantizationError, SemanticError
from model_quantization.estimators.capture import capture
from model_quantization.families import Lowered, all_families
from model_quantization.families.shared.sequence import check_width
from model_quantization.graph.json_form import node_to_json
from model_quantization.graph.nodes import ModelGraph
from model_quantization.graph.values import MISFITS
from model_quantization.planning.packing import prepare_graph
from model_quantization.predictor.component import ComponentView, Context
from model_quantization.predictor.input_rows import input_adapter
from model_quantization.trust import TrustPolicy
from tests.artifact.models import array_at, file_of, with_array
from tests.attacks.mutations import changed_array, changed_number, of_array, whole_numbers

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(90, 4))
LABELS = np.array(["a", "b", "c"])[RNG.integers(0, 3, 90)]
NUMBERS = (-1, 0, 7, 1 << 31, 1 << 62)
MADE_UP = 1 << 24  # columns, and the bytes that opening a model of so many may take at most


def opened(graph: ModelGraph) -> tuple[ComponentView, Any]:
    view = ComponentView(graph.root, Context.of(graph.root, graph.arrays))  # type: ignore[arg-type]
    return view, view.lower(exact=True)


def mutations(graph: ModelGraph) -> Iterator[tuple[str, Callable[[], ModelGraph]]]:
    for index, array in enumerate(graph.arrays):
        for what, change in of_array(array):
            yield f"array {index} {array.shape}: {what}", changed_array(graph, index, change)
    record = node_to_json(graph.root)
    for way in whole_numbers(record):
        for value in NUMBERS:
            made = changed_number(graph, record, way, value)
            yield f"number at {way}: {value}", made


# Models that answer from numbers: their contracts leave nothing to chance.
STRICT = (
    "bayes",
    "calibrated",
    "centroids",
    "cluster",
    "covariance",
    "cross_decomposition",
    "decomposition",
    "discriminant",
    "dummy",
    "encoders",
    "imputer",
    "kernel_model",
    "linear",
    "mixture",
    "neighbors",
    "neural",
    "pipeline",
    "preprocessing",
    "propagation",
    "scaler",
    "selection",
    "svm",
    "union",
    "wrapped",
)
TRIED = 250  # changes of each example, evenly chosen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", STRICT)
def test_what_opens_answers(family: str) -> None:
    refused = answered = 0
    (found,) = (one for one in all_families() if one.name == family)
    for example in found.examples():
        graph = prepare_graph(capture(example.model, TrustPolicy())).graph
        every = list(mutations(graph))
        for what, make in every[:: len(every) // TRIED + 1]:
            try:
                view, lowered = opened(make())
            except QuantizationError:
                refused += 1
                continue
            if not isinstance(lowered, Lowered):
                continue
            rows = input_adapter(view, lowered).rows(example.rows)
            for method in lowered.methods.values() if rows is not None else ():
                try:
                    method(rows)
                except MISFITS as error:
                    pytest.fail(f"{example.name}, {what}: {type(error).__name__}: {error}")
                answered += 1
    assert refused and (answered or family == "encoders")


def widths(graph: ModelGraph, width: int) -> Iterator[ModelGraph]:
    """The model with each number that equals its width changed to a far larger one."""
    record = node_to_json(graph.root)
    for way in whole_numbers(record):
        number: Any = record
        for step in way:
            number = number[step]
        if number == width:
            yield changed_number(graph, record, way, MADE_UP)()


@pytest.mark.filterwarnings("ignore")
def test_a_width_that_a_file_makes_up_takes_no_memory() -> None:
    tried = set()
    for family in all_families():
        for example in family.examples():
            width = getattr(example.model, "n_features_in_", None)
            graph = prepare_graph(capture(example.model, TrustPolicy())).graph
            for made in widths(graph, width) if width is not None else ():
                tried.add(family.name)
                tracemalloc.start()
                try:
                    with suppress(QuantizationError):
                        opened(made)
                    _, most = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert most < MADE_UP, f"{family.name}, {example.name}: {most:,} bytes"
    assert {"columns", "imputer", "linear", "scaler", "union"} <= tried


@pytest.mark.bad_input(65)
@pytest.mark.parametrize(
    ("place", "value"), [(0, 1), (1, 1 << 30), (1, -1), (-1, 1 << 30), (-1, 0)]
)
def test_sparse_weights_whose_rows_do_not_fit_are_refused(place: int, value: int) -> None:
    model = LinearSVC(penalty="l1", C=0.1).fit(ROWS, LABELS).sparsify()
    graph = prepare_graph(capture(model, TrustPolicy())).graph
    (index,) = (
        at for at, array in enumerate(graph.arrays) if np.array_equal(array, model.coef_.indptr)
    )

    def change(array: Any) -> Any:
        array = array.copy()
        array[place] = value
        return array

    made = changed_array(graph, index, change)()
    view = ComponentView(made.root, Context.of(made.root, made.arrays))  # type: ignore[arg-type]
    with pytest.raises(SemanticError, match="its sparse weights"):
        view.lower(exact=False)


CASES: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "short classes_": (GaussianNB(), "classes_", lambda a: a[:1]),
    "short theta_": (GaussianNB(), "theta_", lambda a: a[:1]),
    "narrow theta_": (GaussianNB(), "theta_", lambda a: a[:, :-1]),
    "long var_": (GaussianNB(), "var_", lambda a: np.concatenate([a, a])),
    "short classes_ of a linear model": (LogisticRegression(), "classes_", lambda a: a[:1]),
    "short intercept_": (LogisticRegression(), "intercept_", lambda a: a[:1]),
}


@pytest.mark.bad_input(65)
@pytest.mark.parametrize("case", CASES)
def test_short_arrays_are_refused_when_the_artifact_is_opened(case: str) -> None:
    model, path, change = CASES[case]
    data = file_of(model.fit(ROWS, LABELS))
    mq.load(data)
    _, values = array_at(data, path)
    with pytest.raises(SemanticError, match="does not fit the rest of its estimator"):
        mq.load(with_array(data, path, np.ascontiguousarray(change(values))))


@pytest.mark.bad_input(65)
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -1.0, 256.0, 1.5])
def test_categories_of_histogram_boosting_are_bits(value: float) -> None:
    rows = np.column_stack([RNG.integers(0, 9, 300), RNG.normal(size=300)])
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    data = file_of(model.fit(rows, rows[:, 0] % 3 == 0))
    mq.load(data)
    path = "_bin_mapper/known_categories/0"  # one array with the thresholds of that column
    _, values = array_at(data, path)
    values[0] = value
    with pytest.raises(SemanticError, match="categories from 0 to 255"):
        mq.load(with_array(data, path, values))


@pytest.mark.bad_input(66)
def test_no_number_alone_asks_for_memory() -> None:
    frame = pd.DataFrame({"c": RNG.choice(list("abcd"), 90), "n": ROWS[:, 0]})
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["c"]), (StandardScaler(), ["n"])
    )
    models = [
        make_pipeline(columns, LogisticRegression()).fit(frame, LABELS),
        make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS),
        StandardScaler(with_mean=False, with_std=False).fit(ROWS),
        MultinomialNB().fit(np.abs(ROWS), LABELS),
    ]
    refused = 0
    for model in models:
        graph = prepare_graph(capture(model, TrustPolicy())).graph
        record = node_to_json(graph.root)
        for way in whole_numbers(record):
            for value in (1 << 31, 1 << 40):
                try:
                    opened(changed_number(graph, record, way, value)())  # no MemoryError
                except SemanticError:
                    refused += 1
                except QuantizationError:
                    continue
    assert refused > 4


def test_a_fast_predictor_that_cannot_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = mq.load(file_of(LogisticRegression().fit(ROWS, LABELS)))

    def broken(rows: Any) -> Any:
        raise IndexError("index 3 is out of bounds")

    monkeypatch.setitem(loaded._lowered.methods, "predict", broken)
    loaded._set_methods()
    with pytest.raises(SemanticError, match=r"predict cannot be answered.*IndexError: index 3"):
        loaded.predict(ROWS)


@pytest.mark.parametrize(
    ("step", "path", "why"),
    [
        (TruncatedSVD(2), "truncatedsvd/components_", "another number of columns"),
        (KBinsDiscretizer(3, strategy="uniform"), "kbinsdiscretizer/bin_edges_/items/0", "encoder"),
    ],
    ids=["directions", "bins"],
)
def test_steps_that_do_not_fit_the_next_one_are_not_joined(step: Any, path: str, why: str) -> None:
    model = make_pipeline(step, LogisticRegression()).fit(ROWS, LABELS)
    data = file_of(model)
    assert "predict" in mq.load(data).fast_methods
    _, values = array_at(data, f"steps/{path}")
    loaded = mq.load(with_array(data, f"steps/{path}", values[:-1].copy()))
    assert "predict" not in loaded.fast_methods
    assert why in loaded.explain().methods[0].why


def test_rows_of_another_width_never_reach_the_next_step() -> None:
    then = Lowered({}, by="a forest", names=("",), n_features=3)
    check_width(np.zeros((2, 3)), then)
    with pytest.raises(ValueError, match="a forest, which takes 3"):
        check_width(np.zeros((2, 4)), then)
