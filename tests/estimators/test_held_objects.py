"""What estimators and people hold beside models: tables, distributions, requests, functions."""

from __future__ import annotations

import pickle
import pickletools
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import sklearn
from scipy.stats import loguniform, randint
from sklearn.base import BaseEstimator
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators
from sklearn.utils.validation import check_is_fitted

import model_quantization as mq
from model_quantization.api import ModelQuantizer, quantize_model_file
from model_quantization.errors import ScanRefused, UnfittedModel, UntrustedTypeError
from model_quantization.estimators.capture import capture
from model_quantization.estimators.reachable import check_fitted
from model_quantization.estimators.restore import restore
from model_quantization.graph.json_form import node_from_json, node_to_json
from model_quantization.limits import Limits
from model_quantization.loading.pickles.migrations.steps import installed
from model_quantization.loading.pickles.original import load_original
from model_quantization.predictor.quantized_model import QuantizedModel
from model_quantization.trust import TrustPolicy, parse_allowed_names
from tests.estimators.test_composites import ANY_SIZE, LABELS, X, check_same_answers, write
from tests.loading.test_trust import DATA

TRUST = TrustPolicy()
DOCUMENTS = ["a b", "c d", "b c d"] * 6
TOPICS = [0, 1, 1] * 6
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"city": RNG.choice(["Oslo", "Rome"], len(X)), "n": X[:, 0]})


def back(value: Any) -> Any:
    """The object, taken apart, written as JSON, read, and put together."""
    graph = capture(value, TRUST)
    root = node_from_json(node_to_json(graph.root), n_arrays=len(graph.arrays), limits=Limits())
    return restore(root, graph.arrays, TRUST)


def published(model: Any, folder: Path, **options: Any) -> Any:
    record = quantize_model_file(write(model, folder), recipe="exact", gate=ANY_SIZE, **options)
    return mq.load(record["output_path"], trusted=tuple(options.get("trusted", ())))


# Tables beside a model.

COLUMNS = {
    "floats": [1.5, np.nan, 3.0],
    "integers": [1, 2, 3],
    "booleans": [True, False, True],
    "texts": ["x", None, "\u00e9\U0001f40d"],
    "objects": pd.Series(["x", 1, None], dtype=object),
    "categories": pd.Categorical(["u", None, "v"], ["v", "u"], ordered=True),
    "masked": pd.array([1, None, 3], dtype="Int16"),
    "marked": pd.array([True, None, False], dtype="boolean"),
    "dates": pd.to_datetime(["2020-01-01", None, "2021-05-06"]),
    "spans": pd.to_timedelta([1, 2, 3], unit="s"),
    "small": np.array([1, 2, 3], dtype=np.float32),
}
FRAME = pd.DataFrame(COLUMNS)
TABLES = {
    "frame": FRAME,
    "named rows": FRAME.set_index("integers"),
    "no rows": FRAME.iloc[:0],
    "no columns": FRAME[[]],
    "some rows": FRAME.iloc[1:],
    "two levels": FRAME.set_index(["integers", "texts"]),
    "columns with two levels": pd.DataFrame(np.eye(2), columns=[["a", "a"], ["b", "c"]]),
    "one column twice": pd.DataFrame(np.eye(2), columns=["a", "a"]),
    "mixed columns": pd.DataFrame(np.eye(3), columns=["a", 1, 2.5]),
    **{f"column of {name}": FRAME[name] for name in COLUMNS},
    "names": FRAME.columns,
    "objects as index": pd.Index(["a", "b"], dtype=object, name="n"),
    "numbers as index": pd.Index([3, 1, 2]),
    "range": pd.RangeIndex(3, 9, 2, name="r"),
    "categories as index": pd.CategoricalIndex(["a", "b", "a"]),
    "dates as index": pd.DatetimeIndex(["2020-01-01", "2021-01-01"]),
    "spans as index": pd.TimedeltaIndex([1, 2], name="t"),
}


def assert_equal_tables(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_freq=False)
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_freq=False)
    else:
        pd.testing.assert_index_equal(one, other, exact=True)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_come_back(table: Any, tmp_path: Path) -> None:
    assert_equal_tables(table, back(table))
    for number, dump in enumerate((pickle.dump, joblib.dump)):
        path = tmp_path / f"{number}.pkl"
        with path.open("wb") as file:
            dump(table, file)
        loaded = load_original(path)[0]
        assert_equal_tables(table, loaded)
        assert_equal_tables(table, pickle.loads(pickle.dumps(loaded)))


@pytest.mark.parametrize("dtype", [FRAME[name].dtype for name in COLUMNS], ids=list(COLUMNS))
def test_types_of_columns_come_back(dtype: Any, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"dtype": dtype}))
    assert load_original(tmp_path / "m.pkl")[0] == {"dtype": dtype} == back({"dtype": dtype})


def test_a_table_beside_a_model(tmp_path: Path) -> None:
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    model = LogisticRegression().fit(frame, LABELS)
    held = {"model": model, "columns": frame.columns, "rows": frame[:2], "types": frame.dtypes}
    loaded = published(held, tmp_path)
    assert type(loaded["model"]) is QuantizedModel
    check_same_answers(model, loaded["model"], frame)
    for name in ("columns", "rows", "types"):
        assert_equal_tables(held[name], loaded[name])


@pytest.mark.parametrize("module", ["pandas", "pandas._libs.missing"])  # since pandas 3, before
def test_an_imputer_of_what_pandas_calls_missing(module: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": pd.array(["x", None, "y", "x"] * 5, dtype="string")}).astype(object)
    model = make_pipeline(
        SimpleImputer(missing_values=pd.NA, strategy="most_frequent"), OneHotEncoder()
    ).fit(rows)
    saved = pickle.dumps(model, 0)  # names as text, so that they can be written as others do
    saved = saved.replace(b"cpandas._libs.missing\nNA\n", b"cpandas\nNA\n")
    assert saved.count(b"cpandas\nNA\n") == 1
    path = tmp_path / "m.pkl"
    path.write_bytes(saved.replace(b"cpandas\nNA\n", f"c{module}\nNA\n".encode()))
    record = quantize_model_file(path, recipe="exact", gate=ANY_SIZE)
    found = mq.load(record["output_path"])
    assert found["simpleimputer"].restore().missing_values is pd.NA
    assert (found.transform(rows) != model.transform(rows)).nnz == 0


@pytest.mark.skipif(installed("pandas") < (3,), reason="texts of arrow are pandas 3's default")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw.replace(b"\x03\x00\x00\x00\x00\x00\x00\x00", b"\xff" * 7 + b"\x7f"), ""),
        (lambda raw: raw.replace(b"\x02\x00\x00\x00\x00\x00\x00\x00", b"\xff" * 8), ""),
    ],
)
def test_texts_of_arrow_never_leave_their_buffer(change: Any, said: str, tmp_path: Path) -> None:
    from model_quantization.errors import InputRefused

    raw = pickle.dumps(pd.Series(["a", "b", "c"]))
    hostile = change(raw)
    assert hostile != raw
    (tmp_path / "m.pkl").write_bytes(hostile)
    with pytest.raises(InputRefused):
        load_original(tmp_path / "m.pkl")


# Distributions of a search.


def test_every_distribution_of_scipy_comes_back(tmp_path: Path) -> None:
    kinds = (scipy.stats.rv_continuous, scipy.stats.rv_discrete)
    names = [n for n in dir(scipy.stats) if isinstance(getattr(scipy.stats, n), kinds)]
    # Before scipy 1.16, an old name of trapezoid that holds functions which warn: refused by name.
    names = [n for n in names if n != "trapz"]
    assert len(names) > 100
    held = {name: getattr(scipy.stats, name) for name in names}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(held))
    for found in (load_original(tmp_path / "m.pkl")[0], back(held)):
        assert {name: type(each) for name, each in found.items()} == {
            name: type(each) for name, each in held.items()
        }


@pytest.mark.parametrize(
    "frozen", [loguniform(1e-2, 1), randint(2, 9), scipy.stats.norm(loc=1, scale=3)]
)
def test_frozen_distributions_draw_the_same(frozen: Any, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(frozen))
    for found in (load_original(tmp_path / "m.pkl")[0], back(frozen)):
        assert type(found) is type(frozen)
        assert list(found.rvs(9, random_state=3)) == list(frozen.rvs(9, random_state=3))
        assert found.mean() == frozen.mean()


@pytest.mark.bad_input(63)
def test_source_text_of_a_distribution_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile = scipy.stats.norm.__class__(**scipy.stats.norm._updated_ctor_param())
    hostile._parse_arg_template += f"\nopen({str(marker)!r}, 'w').close()\n"
    (tmp_path / "m.pkl").write_bytes(pickle.dumps({"a": hostile, "b": hostile.freeze(1)}))
    found = load_original(tmp_path / "m.pkl")[0]
    assert not marker.exists()
    assert found["a"]._parse_arg_template == scipy.stats.norm._parse_arg_template
    pickle.loads((tmp_path / "m.pkl").read_bytes())  # scipy's own reading runs it
    assert marker.exists()


@pytest.mark.bad_input(63)
@pytest.mark.parametrize("name", ["no_such", "ks_2samp", "__builtins__", None, 7])
def test_a_distribution_of_another_name_is_refused(name: Any, tmp_path: Path) -> None:
    from model_quantization.errors import ScanMalformed

    hostile = scipy.stats.norm.__class__(**scipy.stats.norm._updated_ctor_param())
    hostile.name = name
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(hostile))
    with pytest.raises(ScanMalformed, match=r"scipy.stats has no distribution"):
        load_original(tmp_path / "m.pkl")


def test_a_search_over_distributions(tmp_path: Path) -> None:
    space = {"C": loguniform(1e-2, 1), "max_iter": randint(200, 210)}
    search = RandomizedSearchCV(LogisticRegression(), space, n_iter=2, cv=2, random_state=0)
    search.fit(X, LABELS)
    loaded = published(search, tmp_path)
    check_same_answers(search, loaded, X)
    assert loaded.restore().param_distributions["C"].args == (1e-2, 1)


# A cache of fitting.


@pytest.mark.bad_input(64)
def test_a_memory_is_left_out_and_never_looked_into(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    memory = joblib.Memory(place, verbose=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(), memory=memory).fit(X, LABELS)
    loaded = published(model, tmp_path)
    check_same_answers(model, loaded, X)
    assert loaded.restore().memory is None
    assert any("memory: left out" in note for note in loaded.artifact.manifest["notes"])
    opened, _ = load_original(write(model, tmp_path))
    assert opened.memory.location is None and opened.memory.store_backend is None
    # A path as text is scikit-learn's own way, which is used when somebody fits.
    named = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(place)).fit(X, LABELS)
    assert back(named).memory == str(place)


# Metadata routing.


def test_requests_know_whose_they_are(tmp_path: Path) -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        linear = LogisticRegression().set_fit_request(sample_weight=True)
        model = make_pipeline(scaler, linear).fit(X, LABELS, sample_weight=np.ones(len(X)))
        cloned = make_pipeline(*map(sklearn.clone, (scaler, linear))).fit(X, LABELS)
        for each in (model, cloned):
            loaded = published(each, tmp_path)
            check_same_answers(each, loaded, X)
            again = loaded.restore()
            for (_, step), (_, old) in zip(again.steps, each.steps, strict=True):
                # Before scikit-learn 1.8 the owner is a class's name.
                named = isinstance(old._metadata_request.owner, str)
                owner = type(old).__name__ if named else step
                assert step._metadata_request.owner == owner
                assert step._metadata_request.fit.owner == owner
            assert str(again[1].get_metadata_routing()) == str(each[1].get_metadata_routing())
        again.fit(X, LABELS, sample_weight=np.ones(len(X)))


# Functions.


def test_every_listed_ufunc_is_one_and_comes_back() -> None:
    names = [n for n in parse_allowed_names(DATA)["values"] if n.startswith("scipy.special:")]
    assert len(names) > 200
    for name in names:
        value = getattr(scipy.special, name.partition(":")[2])
        assert isinstance(value, np.ufunc), name
        if getattr(scipy.special, value.__name__) is not value:
            assert name == "scipy.special:pro_cv"  # scipy 1.15 gives it the name of another
            continue
        assert back([value]) == [value]


@pytest.mark.parametrize("protocol", range(6))
def test_ufuncs_of_scipy_by_any_of_their_names(protocol: int, tmp_path: Path) -> None:
    functions = [scipy.special.logit, scipy.special.expit, scipy.special.psi, np.log1p]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(functions, protocol))
    assert load_original(tmp_path / "m.pkl")[0] == functions
    for module in ("_ufuncs", "_special_ufuncs"):
        raw = pickle.dumps(functions[0], 0).replace(b"_special_ufuncs", module.encode())
        (tmp_path / "m.pkl").write_bytes(raw)
        assert load_original(tmp_path / "m.pkl")[0] is scipy.special.logit


def test_a_target_through_ufuncs_of_scipy(tmp_path: Path) -> None:
    target = scipy.special.expit(X[:, 0])
    model = TransformedTargetRegressor(
        LinearRegression(), func=scipy.special.logit, inverse_func=scipy.special.expit
    )
    check_same_answers(model.fit(X, target), published(model, tmp_path), X)


def test_columns_chosen_by_a_selector(tmp_path: Path) -> None:
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(), make_column_selector(dtype_exclude=np.number, pattern="c.*")),
    )
    model = make_pipeline(columns, LogisticRegression()).fit(TABLE, LABELS)
    loaded = published(model, tmp_path)
    check_same_answers(model, loaded, TABLE)
    assert loaded.restore()[0].transformers[0][2].dtype_include is np.number


def test_methods_of_text_as_tokenizer_and_preprocessor(tmp_path: Path) -> None:
    words = TfidfVectorizer(tokenizer=str.split, token_pattern=None, preprocessor=str.upper)
    model = make_pipeline(words, MultinomialNB()).fit(DOCUMENTS, TOPICS)
    loaded = published(model, tmp_path)
    check_same_answers(model, loaded, DOCUMENTS)
    assert loaded.restore()[0].tokenizer is str.split


def test_a_machine_with_a_function_as_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy: where both factors are one array, BLAS takes another way, with other last bits.
    listed = SVC(kernel=linear_kernel).fit(X.copy(), LABELS)
    check_same_answers(listed, published(listed, tmp_path), X)
    module = ModuleType("own_kernels")
    exec("def twice(a, b):\n    return 2 * a @ b.T\n", vars(module))
    monkeypatch.setitem(sys.modules, "own_kernels", module)
    own = SVC(kernel=module.twice).fit(X.copy(), LABELS)
    with pytest.raises(UntrustedTypeError, match="own_kernels:twice"):
        ModelQuantizer(recipe="exact").quantize_model(own)
    made, _ = ModelQuantizer(recipe="exact", trusted=["own_kernels:twice"]).quantize_model(own)
    check_same_answers(own, made, X)


# Names of a live model, all at once.


def test_a_live_model_names_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_things")
    exec("def one(x):\n    return x\ndef two(x):\n    return x\nclass Held:\n    pass\n",
         vars(module))  # fmt: skip
    monkeypatch.setitem(sys.modules, "own_things", module)
    held = module.Held()
    held.inner = FunctionTransformer(module.two)
    model = {"a": FunctionTransformer(module.one), "b": held}
    with pytest.raises(UntrustedTypeError) as caught:
        capture(model, TRUST)
    for name in ("own_things:one", "own_things:two", "own_things:Held"):
        assert name in caught.value.what and name in caught.value.do
    trust = TrustPolicy(frozenset({"own_things:one", "own_things:two", "own_things:Held"}))
    assert capture(model, trust).root


# Estimators that answer without having been fitted.


def test_a_vectorizer_with_its_own_vocabulary(tmp_path: Path) -> None:
    model = CountVectorizer(vocabulary=["aa", "bb"])
    loaded = published(model, tmp_path)
    assert loaded.transform(["aa bb aa"]).toarray().tolist() == [[2, 1]]
    for unfitted in (CountVectorizer(), TfidfVectorizer(vocabulary=["aa"]), TfidfTransformer()):
        with pytest.raises(UnfittedModel):
            check_fitted(unfitted)


def is_fitted_check_possible(model: Any) -> None:
    with suppress(NotFittedError):
        check_is_fitted(model)


@pytest.mark.filterwarnings("ignore")
def test_whatever_answers_unfitted_passes_and_nothing_else() -> None:
    refused = set()
    for name, kind in all_estimators():
        try:
            model = kind()
            is_fitted_check_possible(model)
        except (TypeError, AttributeError):  # it asks an inner estimator, of which there is none
            continue
        try:
            check_fitted(model)
        except UnfittedModel:
            refused.add(name)
            for method in ("predict", "transform"):
                with pytest.raises((Exception,)):
                    getattr(model, method)(["a b"] if "Vect" in name else X)
    assert {"LogisticRegression", "StandardScaler", "CountVectorizer", "KMeans"} <= refused
    assert not refused & {"Normalizer", "HashingVectorizer", "FunctionTransformer"}


# Models by key.


def test_models_by_keys_of_any_kind(tmp_path: Path) -> None:
    fitted = [LogisticRegression(C=c).fit(X, LABELS) for c in range(1, 9)]
    keys = [(1, "a"), 0.5, None, np.int64(3), "3", ("eu", (2, None)), np.str_("x"), True]
    held = dict(zip(keys, fitted, strict=True))
    loaded = published(held, tmp_path)
    assert list(loaded) == keys
    assert list(map(type, loaded)) == list(map(type, keys))
    assert len({model.path for model in loaded.values()}) == len(keys)
    for key, model in held.items():
        assert type(loaded[key]) is QuantizedModel and loaded[key].fast_methods
        check_same_answers(model, loaded[key], X)
        check_same_answers(model, pickle.loads(pickle.dumps(loaded[key])), X)


# A list in place of an array.


def test_labels_renamed_by_a_list_answer_as_in_scikit_learn(tmp_path: Path) -> None:
    linear, bayes = LogisticRegression().fit(X, LABELS), MultinomialNB().fit(np.abs(X), LABELS)
    parts = [("a", GaussianNB()), ("b", LogisticRegression())]
    voting = VotingClassifier(parts, voting="soft").fit(X, LABELS)
    for model in (linear, bayes, voting, make_pipeline(StandardScaler(), linear)):
        named = model[-1] if hasattr(model, "steps") else model
        named.classes_ = [f"label {each}" for each in np.unique(LABELS)]
        loaded = published(model, tmp_path)
        for method in ("predict", "predict_proba"):
            try:
                expected = getattr(model, method)(X)
            except Exception as error:  # noqa: BLE001  what scikit-learn makes of a list
                with pytest.raises(type(error)):
                    getattr(loaded, method)(X)
            else:
                assert np.array_equal(getattr(loaded, method)(X), expected)


# The restored estimator is scikit-learn's own.


def _fitted() -> list[BaseEstimator]:
    return [
        RandomForestClassifier(3, max_depth=3, random_state=0),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        MLPClassifier(max_iter=5),
        LogisticRegression(),
        make_pipeline(StandardScaler(), RandomForestClassifier(2, max_depth=2)),
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", _fitted(), ids=lambda model: type(model).__name__)
def test_the_restored_estimator_loads_without_this_library(model: Any) -> None:
    made, _ = ModelQuantizer(recipe="exact").quantize_model(model.fit(X, LABELS))
    again = made.restore(as_scikit_learn=True)
    assert type(again) is type(model)
    for dump in (pickle.dumps, lambda value: pickle.dumps(value, 2)):
        raw = dump(again)
        assert not [
            argument for _, argument, _ in pickletools.genops(raw) if "model_q" in str(argument)
        ]
        loaded = pickle.loads(raw)
        assert type(loaded) is type(model)
        assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    # What was dropped is still named by the quantized model.
    for note in made.artifact.manifest["residue"]:
        if "/" not in note:
            with pytest.raises(AttributeError, match="needed for training only"):
                getattr(made, note)


def test_a_file_with_a_broken_matrix_is_refused_before_it_is_asked(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, LABELS).sparsify()
    model.coef_.indices[0] = 10_000
    with pytest.raises(ScanRefused, match="a sparse index is out of range"):
        quantize_model_file(write(model, tmp_path), recipe="exact", gate=ANY_SIZE)
