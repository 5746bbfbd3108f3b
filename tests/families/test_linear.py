"""Linear models: every class in every shape, pruning, ranges per class, a scaler folded in."""

from __future__ import annotations

import pickle
import warnings
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    GammaRegressor,
    LassoCV,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags

from model_quantization.api import ModelQuantizer
from model_quantization.errors import DroppedAttribute
from model_quantization.families import family_named
from model_quantization.families.linear import FAMILY
from model_quantization.predictor.quantized_model import QuantizedModel
from tests.families.checks import check_close, check_same_bits

RNG = np.random.default_rng(0)
X, Y = make_classification(
    180, 12, n_informative=8, n_classes=4, n_clusters_per_class=1, random_state=0
)
LABELS = np.array(["north", "east", "south", "west"])[Y]
ONE = X @ RNG.normal(size=12) + RNG.normal(size=180)
TWO = np.column_stack([ONE, X[:, 0] - X[:, 1]])


def quantized(model: Any, bit_depth: int | str, **options: Any) -> QuantizedModel:
    made, _ = ModelQuantizer(bit_depth=bit_depth, **options).quantize_model(model)
    assert isinstance(made, QuantizedModel)
    return made


def _class(name: str) -> type:
    module, _, qualname = name.partition(":")
    return getattr(import_module(module), qualname)


@cache
def fitted_models(name: str) -> tuple[Any, ...]:
    """The class of this name fitted in every shape that it takes."""
    kind = _class(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tags = get_tags(kind())
        if tags.estimator_type == "classifier":
            targets: list[Any] = [LABELS, Y > 1, Y * 1.0]
        elif tags.target_tags.single_output and "Multi" not in name:
            targets = [np.abs(ONE) + 1]
        else:
            targets = [TWO]
        if tags.target_tags.multi_output and tags.estimator_type == "regressor":
            targets += [TWO]
        found = [kind().fit(X, target) for target in targets]
        if "fit_intercept" in kind().get_params():
            found.append(kind(fit_intercept=False).fit(X, targets[0]))
        found.append(kind().fit(X.astype(np.float32), targets[0]))
        if hasattr(kind, "sparsify"):
            found.append(kind().fit(X, targets[0]).sparsify())
    return tuple(found)


@pytest.mark.parametrize(
    "depths", [("exact", 8), pytest.param((16, 32), marks=pytest.mark.slow)], ids=["8", "16"]
)
@pytest.mark.parametrize("name", sorted(FAMILY.types), ids=lambda name: name.rpartition(":")[2])
def test_every_class_in_every_shape(name: str, depths: tuple[int | str, ...]) -> None:
    fast = 0
    for model in fitted_models(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            original = pickle.loads(pickle.dumps(model))
        for bit_depth in depths:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # a deprecated class says so
                made = quantized(model, bit_depth)
                restored = made.restored_estimator()
            for method in made.fast_methods:
                for rows in (X, X[:1], X[:9], X.astype(np.float32), np.asfortranarray(X)):
                    with np.errstate(all="ignore"):
                        got = getattr(made, method)(rows)
                        expected = getattr(restored, method)(rows)
                        if bit_depth == "exact":
                            check_same_bits(method, expected, got)
                            check_same_bits(method, getattr(original, method)(rows), got)
                        else:
                            check_close(method, expected, got)
                fast += 1
    assert fast, "no method of this class is answered fast"


def test_small_weights_become_zero_and_nothing_else_does() -> None:
    model = LogisticRegression(C=0.05).fit(RNG.normal(size=(180, 300)), LABELS)
    model.intercept_[:] = [1e-9, -1e-9, 0.5, 1e-9]
    is_small = np.abs(model.coef_) < np.quantile(np.abs(model.coef_), 0.6)
    model.coef_[is_small] *= 1e-4  # too small to move a score, so that they may go
    threshold = float(np.abs(model.coef_[is_small]).max()) * 1.01
    dense, pruned = (
        quantized(model, 16, weight_threshold=0),
        quantized(model, 16, weight_threshold=threshold),
    )
    assert len(pruned.artifact.data) < len(dense.artifact.data)
    small = np.abs(model.coef_) < threshold
    assert (pruned.restore().coef_[small] == 0).all()
    assert (pruned.restore().coef_[~small] != 0).all()
    np.testing.assert_array_equal(pruned.restore().intercept_, model.intercept_)
    exact = quantized(model, "exact", weight_threshold=threshold)
    np.testing.assert_array_equal(exact.restore().coef_, model.coef_)


def test_each_class_has_a_range_of_its_own() -> None:
    model = Ridge().fit(np.tile(X, 4), TWO * [1.0, 1e4])
    per_class = quantized(model, 8, weight_threshold=0).restore().coef_
    one_range = quantized(model, 8, weight_threshold=0, use_dynamic_quantization=False)
    small = np.abs(per_class[0] - model.coef_[0]).max() / np.abs(model.coef_[0]).max()
    assert small <= 0.5 / 127 * 1.001
    shared = one_range.restore().coef_
    assert np.abs(shared[0] - model.coef_[0]).max() / np.abs(model.coef_[0]).max() > 10 * small


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        MinMaxScaler((-1, 2)),
        MaxAbsScaler(),
        RobustScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("last", [LogisticRegression(max_iter=500), Ridge(), LinearSVC()], ids=str)
def test_a_scaler_is_folded_in(scaler: Any, last: Any) -> None:
    # A model with fewer weights is not rounded: it has its original's bits, and folds nothing.
    wide = np.hstack([X, RNG.normal(size=(180, 60))])
    rows = wide * np.logspace(-1, 1, 72) + np.arange(72) / 20
    model = make_pipeline(scaler, last).fit(rows, Y)
    made = quantized(model, 8)
    lowered = made._lowered
    assert lowered is not None and lowered.by == "linear scores, a scaler folded in"
    assert lowered.names == (f"steps/{model.steps[0][0]}", f"steps/{model.steps[1][0]}")
    for method in made.fast_methods:
        for some in (rows, rows[:1], rows[:20]):
            check_close(method, getattr(made.restore(), method)(some), getattr(made, method)(some))
    exact = quantized(model, "exact")
    for method in exact.fast_methods:
        check_same_bits(method, getattr(model, method)(rows), getattr(exact, method)(rows))


def test_two_scalers_and_a_step_in_the_way() -> None:
    rows = np.hstack([X, RNG.normal(size=(180, 60))])
    twice = make_pipeline(StandardScaler(), MinMaxScaler(), Ridge()).fit(rows, ONE)
    between = make_pipeline(StandardScaler(), Normalizer(), Ridge()).fit(rows, ONE)
    for model, scalers in ((twice, 2), (between, 0)):
        made = quantized(model, 8)
        assert made.fast_methods == ("predict",)
        lowered = made._lowered
        assert lowered is not None and lowered.by.count("a scaler folded in") == scalers
        check_close("predict", made.restore().predict(rows), made.predict(rows))
        exact = quantized(model, "exact")
        assert exact.fast_methods == ("predict",)
        check_same_bits("predict", model.predict(rows), exact.predict(rows))


def test_a_scaler_that_clips_is_not_folded() -> None:
    clipping = [MinMaxScaler(clip=True)]
    if "clip" in MaxAbsScaler().get_params():  # since scikit-learn 1.8
        clipping.append(MaxAbsScaler(clip=True))
    for scaler in clipping:
        made = quantized(make_pipeline(scaler, Ridge()).fit(X, ONE), 8)
        assert made.fast_methods == ()
        check_close("predict", made.restore().predict(X * 9), made.predict(X * 9))


def test_links_of_generalized_models() -> None:
    positive = np.abs(ONE) + 0.5
    for model, fast in (
        (PoissonRegressor(), True),
        (GammaRegressor(), True),
        (TweedieRegressor(power=0), True),
        (TweedieRegressor(power=1.5, link="log"), True),
    ):
        made = quantized(model.fit(X, positive), 16)
        assert bool(made.fast_methods) is fast
        check_close("predict", made.restore().predict(X), made.predict(X))


def test_several_labels_at_once() -> None:
    several = RidgeClassifier().fit(X, np.column_stack([Y > 1, Y > 2]).astype(int))
    for bit_depth in ("exact", 8):
        made = quantized(several, bit_depth)
        assert "predict" in made.fast_methods
        check_same_bits("predict", made.restore().predict(X), made.predict(X))


@pytest.mark.parametrize("labels", [LABELS, Y > 1], ids=["four", "two"])
def test_probabilities_of_the_modified_huber_loss(labels: Any) -> None:
    huber = SGDClassifier(loss="modified_huber", random_state=0).fit(X, labels)
    for method in ("predict_proba", "predict_log_proba"):
        with np.errstate(divide="ignore"):
            expected = getattr(huber, method)(X)
            exact, rounded = quantized(huber, "exact"), quantized(huber, 8)
            assert method in exact.fast_methods
            check_same_bits(method, expected, getattr(exact, method)(X))
            check_close(method, getattr(rounded.restore(), method)(X), getattr(rounded, method)(X))
    far = SGDClassifier(loss="modified_huber", random_state=0).fit(X, LABELS)
    far.intercept_ = np.full(4, -2000.0)
    np.testing.assert_array_equal(quantized(far, 8).predict_proba(X[:9]), np.full((9, 4), 0.25))


@pytest.mark.parametrize("labels", [LABELS, Y > 1], ids=["four", "two"])
def test_probabilities_of_a_discriminant_analysis(labels: Any) -> None:
    model = LinearDiscriminantAnalysis().fit(X, labels)
    for rows in (X, X * 1e4):  # the second: probabilities that vanish have a logarithm
        for method in ("predict_proba", "predict_log_proba"):
            exact, rounded = quantized(model, "exact"), quantized(model, 8)
            check_same_bits(method, getattr(model, method)(rows), getattr(exact, method)(rows))
            expected = getattr(rounded.restore(), method)(rows)
            check_close(method, expected, getattr(rounded, method)(rows))


def test_a_live_model_with_an_attribute_of_an_older_scikit_learn_answers_as_it_does_now() -> None:
    model = LogisticRegression().fit(X, LABELS)
    model.multi_class = "ovr"  # as a pickle of 1.6 may hold it
    made = quantized(model, "exact")
    np.testing.assert_array_equal(made.predict_proba(X), model.predict_proba(X))
    assert "predict" in made.fast_methods


def test_probabilities_that_all_vanish_are_shared_out() -> None:
    model = SGDClassifier(loss="log_loss", random_state=0).fit(X, LABELS)
    model.intercept_ = np.full(4, -2000.0)
    with np.errstate(invalid="ignore"):
        expected = model.predict_proba(X[:9])
        assert (expected == 0.25).all() or np.isnan(expected).all()  # the second before 1.8
        for bit_depth in ("exact", 8):
            made = quantized(model, bit_depth)
            np.testing.assert_array_equal(made.predict_proba(X[:9]), expected)


def test_regularisation_paths_are_dropped_and_say_so() -> None:
    model = LassoCV(cv=3, alphas=[0.5, 0.1]).fit(X, ONE)
    made = quantized(model, "exact")
    assert set(made.artifact.manifest["residue"]) == {"mse_path_", "alphas_"}
    with pytest.raises(
        DroppedAttribute,
        match="LassoCV: mse_path_ was needed for training only and is "
        "not stored; got path of the regularisation search",
    ):
        _ = made.mse_path_
    assert made.alpha_ == model.alpha_


def test_weights_that_are_not_finite_stay_exact() -> None:
    model = LogisticRegression().fit(X, LABELS)
    model.coef_[1, 3] = np.nan
    made, stats = ModelQuantizer(bit_depth=8).quantize_model(model)
    np.testing.assert_array_equal(made.restore().coef_, model.coef_)
    assert "holds NaN or infinity" in stats["components"][0]["reason"]


def test_sparse_weights_of_a_regressor_answer_in_one_dimension() -> None:
    model = SGDRegressor(penalty="l1", alpha=0.1, random_state=0).fit(X, ONE).sparsify()
    made = quantized(model, 8, weight_threshold=0)
    assert made.predict(X).shape == model.predict(X).shape == (180,)


def test_families_are_found_by_name() -> None:
    assert family_named("linear") is FAMILY
