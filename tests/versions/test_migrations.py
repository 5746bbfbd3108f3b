"""Single steps, on files and states made by hand where no old version is at hand to write them."""

from __future__ import annotations

import copyreg
import functools
import io
import pickle
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy.interpolate import BSpline
from sklearn.calibration import _CalibratedClassifier
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
)
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import model_quantization as mq
from model_quantization.arrays import save_arrays
from model_quantization.errors import EnvironmentMismatch, MissingMethod, ScanMalformed, ScanRefused
from model_quantization.estimators.dropped import lacking_class
from model_quantization.loading.pickles.migrations import boosters
from model_quantization.loading.pickles.migrations.boosters import STEPS
from model_quantization.loading.pickles.migrations.stand_ins import Gone
from model_quantization.loading.pickles.migrations.steps import (
    in_todays_form,
    installed,
    parse_release,
)
from model_quantization.loading.pickles.original import load_original
from model_quantization.saving_version import reference_of, saved_note, saving_versions

X, Y = make_classification(60, 5, random_state=0)
XGBOOST = pytest.mark.skipif(not find_spec("xgboost"), reason="the extra `boosters` is missing")
LIGHTGBM = pytest.mark.skipif(not find_spec("lightgbm"), reason="the extra `boosters` is missing")


class OldUfunc:
    """A ufunc as numpy before 1.25 wrote it: by a call."""

    def __init__(self, module: str, name: str) -> None:
        self.args = (module, name)


class OldPickler(pickle._Pickler):  # type: ignore[misc]
    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, OldUfunc):
            self.write(b"cnumpy.core\n_ufunc_reconstruct\n")
            self.save(obj.args)
            self.write(b"R")
            return None
        return super().save(obj, save_persistent_id)


def file_of(value: Any, path: Path) -> Path:
    stream = io.BytesIO()
    OldPickler(stream, 2).dump(value)
    path.write_bytes(stream.getvalue())
    return path


def old_transformer(module: str, name: str) -> FunctionTransformer:
    model = FunctionTransformer()
    model.func = OldUfunc(module, name)
    return model


@pytest.mark.parametrize("module", ["numpy.core._multiarray_umath", "numpy"])
def test_a_ufunc_written_as_a_call_is_that_ufunc(module: str, tmp_path: Path) -> None:
    path = file_of(old_transformer(module, "log1p"), tmp_path / "m.pkl")
    model, _ = load_original(path)
    assert model.func is np.log1p


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "str"),
        ("numpy.core", "_ufunc_reconstruct"),
        ("sklearn.preprocessing._label", "LabelEncoder"),
        ("numpy", "load"),
    ],
)
def test_nothing_else_is_reached_that_way(module: str, name: str, tmp_path: Path) -> None:
    path = file_of(old_transformer(module, name), tmp_path / "m.pkl")
    with pytest.raises(ScanRefused):
        load_original(path)


@pytest.mark.parametrize("arguments", [(), ("numpy",), ("numpy", "log1p", "more")])
def test_other_arguments_are_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    model = old_transformer("numpy", "log1p")
    model.func.args = arguments
    with pytest.raises(ScanRefused):
        load_original(file_of(model, tmp_path / "m.pkl"))


def step(name: str) -> Any:
    return next(each for each in STEPS if name in each.classes[0])


@XGBOOST
def test_a_booster_of_a_newer_xgboost_is_refused_by_name() -> None:
    from xgboost import XGBClassifier

    booster = XGBClassifier(n_estimators=2).fit(X, Y).get_booster()
    state = booster.__getstate__()
    held = bytes(state["handle"])
    end = held.rindex(b"version[#L")
    newer = held[: end + 19] + bytes([99]) + held[end + 20 :]
    step("xgboost.core:Booster").apply(dict(state))
    with pytest.raises(EnvironmentMismatch, match=r"99\.\d+ or newer"):
        step("xgboost.core:Booster").apply({"handle": newer})


@XGBOOST
def test_a_restored_booster_of_a_newer_xgboost_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from xgboost import XGBClassifier

    made = mq.ModelQuantizer(bit_depth="exact").quantize_model(
        XGBClassifier(n_estimators=2).fit(X, Y)
    )[0]
    monkeypatch.setattr(boosters, "installed", lambda name: (1, 9))
    assert made.predict(X).shape == Y.shape
    with pytest.raises(EnvironmentMismatch, match="misreads it"):
        made.restore()


@XGBOOST
def test_a_booster_in_binary_is_refused_with_the_version_that_reads_it() -> None:
    with pytest.raises(ValueError, match=r"XGBoost 1\.3 to 2\.1"):
        step("xgboost.core:Booster").apply({"handle": b"CONFIG-offset: 7"})


@LIGHTGBM
def test_the_text_of_a_lightgbm_3_booster_is_not_kept_twice(tmp_path: Path) -> None:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, Y)
    booster = model._Booster
    state = booster.__getstate__()
    step("lightgbm.basic:Booster").apply(state | {"handle": state["_handle"]})
    older = {key: value for key, value in state.items() if key != "_handle"}
    older["handle"] = state["_handle"]
    step("lightgbm.basic:Booster").apply(older)
    assert "handle" not in older
    assert older["_handle"] == state["_handle"]


def test_a_method_that_the_installed_class_lacks_is_named() -> None:
    model = LogisticRegression().fit(X, Y)
    model.__class__ = lacking_class(LogisticRegression, ("transmogrify",), "scikit-learn 99.0")
    assert not hasattr(model, "transmogrify")
    with pytest.raises(MissingMethod, match="has no transmogrify") as caught:
        model.transmogrify(X)
    assert "scikit-learn 99.0" in str(caught.value)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = model.other
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is LogisticRegression
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.skipif(
    installed("sklearn") < (1, 8), reason="scikit-learn before 1.8 reads such a state as it is"
)
def test_a_state_that_does_not_fit_names_the_version_that_saved_it(tmp_path: Path) -> None:
    model = LogisticRegression().fit(X, Y)
    state = model.__getstate__() | {"_sklearn_version": "1.2.2", "classes_": None}
    data = pickle.dumps(LogisticRegression().fit(X, Y), 2)
    path = tmp_path / "m.pkl"
    path.write_bytes(_with_state(data, state))
    with pytest.raises(ScanMalformed, match=r"saved by scikit-learn 1\.2\.2") as caught:
        load_original(path)
    assert "install this library beside scikit-learn 1.2.2" in str(caught.value)


def _with_state(data: bytes, state: dict[str, Any]) -> bytes:
    head = data[: data.index(b"}")]
    return head + pickle.dumps(state, 2)[2:-1] + b"b."


def test_what_is_said_of_another_version_is_read_back() -> None:
    known = saved_note(["1.1.3", "1.2.2"], known=True, installed="1.9.1")
    unknown = saved_note(["2.0"], known=False, installed="1.9.1")
    assert reference_of(["other", known]) == "as saved by scikit-learn 1.1.3, 1.2.2"
    assert reference_of([unknown]) == "as loaded by scikit-learn 1.9.1"
    assert reference_of(["other"]) == ""
    assert saving_versions([known, unknown]) == {"1.1.3", "1.2.2"}


def test_arrays_of_objects_are_not_saved(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", np.arange(3), [1.5])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert stored.files == ["arr_0", "arr_1"]
    with pytest.raises(ValueError, match="array of objects"):
        save_arrays(tmp_path / "b.npz", np.array([object()]))


def test_a_live_model_is_told_by_its_meaning() -> None:
    from sklearn.multiclass import OneVsRestClassifier

    model = OneVsRestClassifier(LogisticRegression()).fit(X, np.digitize(X[:, 0], [-0.5, 0.5]))
    made = mq.ModelQuantizer(bit_depth="exact").quantize_model(model)[0]
    assert type(made.restore(as_scikit_learn=True)) is OneVsRestClassifier
    np.testing.assert_array_equal(made.predict(X), model.predict(X))


# class, the version that saved it, its state then -> what it has today, and what it has no more
STATES: dict[str, tuple[type, str, dict[str, Any], dict[str, Any], set[str]]] = {
    "a classifier of boosted trees": (
        GradientBoostingClassifier,
        "0.22.2",
        {
            "loss": "deviance",
            "loss_": None,
            "classes_": np.array([0, 1, 2]),
            "init_": None,
            "estimators_": np.empty((5, 3), dtype=object),
        },
        {"loss": "log_loss", "n_trees_per_iteration_": 3, "n_classes_": 3},
        {"loss_"},
    ),
    "a regressor of boosted trees": (
        GradientBoostingRegressor,
        "0.22.2",
        {"loss": "ls", "loss_": None, "estimators_": np.empty((5, 1), dtype=object)},
        {"loss": "squared_error", "n_trees_per_iteration_": 1},
        {"loss_"},
    ),
    "a calibrated classifier": (
        _CalibratedClassifier,
        "0.23.2",
        {"calibrators_": ["one"], "classes_": ["a", "b"], "label_encoder_": None},
        {"calibrators": ["one"], "classes": ["a", "b"], "method": "sigmoid"},
        {"calibrators_", "classes_", "label_encoder_"},
    ),
    "a vectorizer without weights": (
        TfidfTransformer, "0.24.2", {"use_idf": False}, {"fitted_": True}, set()
    ),
    "trees of histograms without categories": (
        TreePredictor,
        "0.23.2",
        {},
        {"binned_left_cat_bitsets": [], "raw_left_cat_bitsets": []},
        set(),
    ),
    "a linear model that scaled its columns": (
        LinearRegression, "1.1.3", {"normalize": False}, {}, {"normalize"}
    ),
    "neighbours by weights under the power": (
        KNeighborsClassifier,
        "1.0.2",
        {
            "metric": "wminkowski",
            "metric_params": {"w": [1.0, 2.0], "p": 3},
            "effective_metric_": "wminkowski",
            "effective_metric_params_": {"w": [3.0]},
            "p": 2,
        },
        {
            "metric": "minkowski",
            "metric_params": {"w": [1.0, 8.0], "p": 3},
            "effective_metric_": "minkowski",
            "effective_metric_params_": {"w": [9.0]},
        },
        set(),
    ),
}  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("case", STATES)
def test_an_old_state_has_todays_attributes(case: str) -> None:
    cls, version, then, now, gone = STATES[case]
    found = in_todays_form(cls, then, version).state
    assert _plain({key: found.get(key) for key in now}) == now
    assert not gone & found.keys()
    assert gone & then.keys() == gone  # what was given is not changed


TWO, THREE = {"classes_": ["a", "b"], "coef_": []}, {"classes_": ["a", "b", "c"], "coef_": []}
CV_TWO, CV_THREE = TWO | {"Cs": 2}, THREE | {"Cs": 2}


@pytest.mark.parametrize(
    ("cls", "version", "state", "as_saved"),
    [
        (LogisticRegression, "1.3.2", TWO, ""),
        (LogisticRegression, "1.3.2", THREE, ""),
        (LogisticRegression, "1.3.2", THREE | {"solver": "liblinear"}, "OneVsRestLogistic"),
        (LogisticRegression, "1.3.2", TWO | {"solver": "liblinear"}, ""),
        (LogisticRegression, "1.3.2", TWO | {"multi_class": "ovr"}, ""),
        (LogisticRegression, "1.3.2", THREE | {"multi_class": "ovr"}, "OneVsRestLogistic"),
        (LogisticRegression, "1.3.2", TWO | {"multi_class": "multinomial"}, "SoftmaxOfTwoLogistic"),
        (LogisticRegression, "1.3.2", THREE | {"multi_class": "multinomial"}, ""),
        (LogisticRegression, "1.3.2", {"multi_class": "ovr"}, ""),
        (LogisticRegressionCV, "1.3.2", CV_THREE | {"multi_class": "ovr"}, "OneVsRestLogisticCV"),
        (
            LogisticRegressionCV,
            "1.3.2",
            CV_THREE | {"solver": "liblinear"},
            "OneVsRestLogisticCV",
        ),
        (
            LogisticRegressionCV,
            "1.3.2",
            CV_TWO | {"multi_class": "multinomial"},
            "SoftmaxOfTwoLogisticCV",
        ),
        (LogisticRegressionCV, "1.3.2", CV_TWO, ""),
        (AdaBoostClassifier, "1.2.2", {"algorithm": "SAMME"}, "VotingAdaBoost"),
        (AdaBoostClassifier, "1.2.2", {"algorithm": "SAMME.R"}, "ProbabilityAdaBoost"),
        (AdaBoostClassifier, "1.2.2", {}, "ProbabilityAdaBoost"),
        (AdaBoostClassifier, "1.4.2", {"algorithm": "SAMME"}, ""),
        (AdaBoostClassifier, "1.4.2", {}, "ProbabilityAdaBoost"),
    ],
)
def test_what_today_cannot_say_is_told_from_what_it_can(
    cls: type, version: str, state: dict[str, Any], as_saved: str
) -> None:
    if parse_release("1.8") > installed("sklearn"):
        pytest.skip("the installed version can still say some of it")
    found = in_todays_form(cls, state, version)
    assert found.as_saved == as_saved
    assert "algorithm" not in found.state and found.state.get("multi_class") != "multinomial"


@pytest.mark.parametrize(
    ("power", "link", "loss"),
    [
        (0, "auto", "HalfTweedieLossIdentity"),
        (0, "log", "HalfTweedieLoss"),
        (1.5, "auto", "HalfTweedieLoss"),
        (1.5, "identity", "HalfTweedieLossIdentity"),
    ],
)
def test_a_generalized_linear_model_keeps_its_link(power: float, link: str, loss: str) -> None:
    then = {"power": power, "link": link, "coef_": np.zeros(2), "_family_instance": 1, "family": 1}
    found = in_todays_form(TweedieRegressor, then, "1.0.2").state
    assert type(found["_base_loss"]).__name__ == loss
    assert found["_base_loss"].closs.power == power
    assert not {"_family_instance", "family"} & found.keys()


def test_boosting_that_starts_at_the_answers_of_a_model_is_known() -> None:
    priors = DummyClassifier(strategy="prior").fit([[0]] * 3, [0, 1, 2])
    for start, classes, as_saved in (
        (LogisticRegression(), 3, "UncentredGradientBoosting"),
        (LogisticRegression(), 1, ""),
        ("zero", 3, ""),
        (priors, 3, ""),
    ):
        trees = np.empty((1, classes), dtype=object)
        for place in range(classes):
            trees[0, place] = SimpleNamespace(tree_=SimpleNamespace(value=np.zeros((1, 1, 1))))
        then = {
            "loss": "log_loss", "init_": start, "estimators_": trees, "learning_rate": 0.5,
            "classes_": np.arange(max(classes, 2)),
        }  # fmt: skip
        found = in_todays_form(GradientBoostingClassifier, then, "1.3.2")
        assert found.as_saved == as_saved
        # A start at the priors lost the mean of its logarithms, which the first trees have now.
        added = np.log(1 / 3) / 0.5 if start is priors else 0.0
        assert [tree.tree_.value.item() for tree in trees[0]] == pytest.approx([added] * classes)


def test_columns_are_told_by_their_numbers_however_they_were_given() -> None:
    given: dict[str, tuple[Any, list[int]]] = {
        "one name": ("b", [1]),
        "names": (["d", "a"], [3, 0]),
        "up to a name": (slice(None, "b"), [0, 1]),
        "from a name": (slice("c", None), [2, 3, 4]),
        "between names": (slice("b", "d"), [1, 2, 3]),
        "every other": (slice("a", "e", 2), [0, 2, 4]),
        "a slice": (slice(1, 3), [1, 2]),
        "the last": (-1, [4]),
        "numbers": ([0, -2], [0, 3]),
        "a mask": ([True, False, False, True, False], [0, 3]),
        "an array": (np.array([False, True, False, False, True]), [1, 4]),
        "none": ([], []),
    }
    then = {
        "transformers": [(name, "drop", columns) for name, (columns, _) in given.items()],
        "transformers_": [(name, "drop", columns) for name, (columns, _) in given.items()],
        "_columns": [columns for columns, _ in given.values()],
        "_remainder": ["remainder", "drop", None],
        "_feature_names_in": list("abcde"),
        "_df_columns": list("abcde"),
        "_n_features": 5,
    }
    found = in_todays_form(ColumnTransformer, then, "0.23.2").state
    assert found["_transformer_to_input_indices"] == {
        name: numbers for name, (_, numbers) in given.items()
    } | {"remainder": []}
    assert found["_remainder"] == ("remainder", "drop", None)
    assert found["n_features_in_"] == 5
    assert found["feature_names_in_"].tolist() == list("abcde")
    assert found["feature_names_in_"].dtype == object
    assert not {"_feature_names_in", "_df_columns"} & found.keys()


@pytest.mark.parametrize("saved_by", ["1.6.1", "1.7.2", "1.8.0", sklearn.__version__])
def test_shares_of_rows_that_every_classifier_denies(saved_by: str, tmp_path: Path) -> None:
    rows, labels = np.arange(60.0)[:, None], np.arange(60) // 15 % 3
    stumps = OneVsRestClassifier(DecisionTreeClassifier(max_depth=2, random_state=0))
    model = stumps.fit(np.vstack((rows, rows)), np.concatenate((labels, labels)))
    for tree in model.estimators_[1:]:  # the first one knows of the rest
        tree.tree_.value[..., 0] += tree.tree_.value[..., 1]
        tree.tree_.value[..., 1] = 0.0
    with np.errstate(invalid="ignore"):
        shares = model.predict_proba(rows)
    denied = (model.estimators_[0].predict_proba(rows)[:, 1] == 0.0).nonzero()[0]
    assert 0 < len(denied) < len(rows)
    shares[denied] = np.nan if parse_release(saved_by) < (1, 7) else 0.0
    data = pickle.dumps(model, 2)
    old, new = (
        b"X" + len(each).to_bytes(4, "little") + each.encode()
        for each in (sklearn.__version__, saved_by)
    )
    assert old in data
    (tmp_path / "m.pkl").write_bytes(data.replace(old, new))
    made, _ = mq.ModelQuantizer(bit_depth="exact").quantize_model(tmp_path / "m.pkl", "pickle")
    # Where the installed version warns of the division, the restored estimator answers.
    assert ("predict_proba" in made.fast_methods) == (installed("sklearn") >= (1, 7))
    if parse_release(saved_by) > installed("sklearn"):
        return  # a newer meaning, which only the fast method would know
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(made.predict_proba(rows), shares)
    with suppress(EnvironmentMismatch), np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(made.restore().predict_proba(rows), shares)


@pytest.mark.parametrize("of", ["1.14", "1.17", "1.18", "the installed scipy"])
def test_a_spline_of_any_scipy_is_the_spline_of_this_one(of: str, tmp_path: Path) -> None:
    spline = BSpline(np.arange(8.0), np.arange(8.0).reshape(4, 2), 3)
    rest = {"k": 3, "extrapolate": True, "axis": 0}
    states: dict[str, Any] = {
        "1.14": {"t": spline.t, "c": spline.c} | rest,
        "1.17": {"_t": spline.t, "_c": spline.c} | rest,
        "1.18": (_Inner({"t": spline.t, "c": spline.c, "_delegate_to": None} | rest), np.empty(0)),
    }
    written = pickle.dumps(_Outer(states[of]) if of in states else spline, 2)
    for cls, name in ((_Outer, "BSpline"), (_Inner, "_BSpline")):
        own = f"c{cls.__module__}\n{cls.__name__}\n".encode()
        written = written.replace(own, f"cscipy.interpolate._bsplines\n{name}\n".encode())
    (tmp_path / "m.pkl").write_bytes(written)
    made, _ = load_original(tmp_path / "m.pkl")
    assert type(made) is BSpline
    assert vars(made).keys() == vars(spline).keys()
    np.testing.assert_array_equal(made([3.5, 4.0]), spline([3.5, 4.0]))


class _Outer:
    """Stands for a class of scipy while its object is written."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return copyreg.__newobj__, (type(self),), self.state  # type: ignore[attr-defined]


class _Inner(_Outer):
    """Stands for the class of its parts."""


def test_what_is_fitted_again_and_how_values_are_checked_have_todays_words() -> None:
    chooses = type("refit_callable", (Gone,), {})
    for then, now in ((chooses, True), ("accuracy", "accuracy"), (Gone(), None)):
        found = in_todays_form(HalvingGridSearchCV, {"refit": then}, "0.24.2").state["refit"]
        assert found is then if now is None else found == now
    check = functools.partial(max, force_all_finite=False, key=len)
    found = in_todays_form(FunctionTransformer, {"func": check}, "1.5.2").state["func"]
    assert (found.func, found.keywords) == (max, {"ensure_all_finite": False, "key": len})
    poisson = in_todays_form(PoissonRegressor, {"link": "log", "coef_": [1.0]}, "1.0.2").state
    assert "link" not in poisson and type(poisson["_base_loss"]).__name__ == "HalfPoissonLoss"
