"""Files that old versions of scikit-learn saved answer as they did there.

The corpus (`corpus.tar.xz`) was made by those versions themselves: see `make_corpus`. A sample is
read in every run, the whole of it with `make test-all`.
"""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from pathlib import Path

import pytest

from model_quantization import ModelQuantizer, quantize_model_file
from model_quantization.errors import EnvironmentMismatch
from model_quantization.estimators.meanings import MEANINGS
from model_quantization.loading.pickles.migrations.steps import installed, parse_release
from tests.versions.corpus_file import read_corpus
from tests.versions.kinds import all_kinds
from tests.versions.replay import (
    CORPUS,
    READERS,
    Saved,
    difference,
    read_in_memory,
    read_original,
    saved_models,
    versions,
)

VERSIONS = versions()
SAMPLE = 29
LARGEST_BYTES = 3_000_000
# Kinds that are refused by name, and why.
REFUSED: dict[tuple[str, str], str] = {
    (version, "knn mahalanobis brute parameters"): "its answers hung on which rows came together"
    for version in ("0.22.2.post1", "0.23.2")
} | {
    ("0.22.2.post1", f"xgboost {kind}"): "the binary format of XGBoost 1.2"
    for kind in (
        "Classifier numbers two", "Classifier numbers three", "Regressor numbers real",
        "Classifier gaps two", "Classifier gaps three", "Regressor gaps real", "pipeline",
    )
}  # fmt: skip
# Why the bits of an answer may differ although it means the same: within 1e-7 of its largest.
ROUNDED = {
    r"svc|svr|nusvc|nusvr|one class svm|gp |kernel|density|mlp|pipeline mlp|pipeline svc|rbm": (
        "another BLAS or libm sums or multiplies in another order"
    ),
    r"tree|forest|Forest|ExtraTrees|bagging|ada |voting|stacking|calibrated|one vs rest|chain|"
    r"isolation|self training|OneVs|Output|outputs|grid|halving|search|tuned|fixed|extra": (
        "probabilities of leaves are divided once, when the file is read, and summed afterwards"
    ),
    r"gb |hist |pipeline gb|columns inner": "the start of boosting is added to the first trees",
    r"cross": "coefficients are divided by the scale once, when the file is read",
    r"logistic|linear|sgd|glm|discriminant|bayes|text|columns|pipeline|union|target|reduce|cluster|"
    r"mixture|covariance|project|manifold|prepare|impute|knn|nca|lightgbm|xgboost|label|radius|"
    r"outliers|bags|dummy|pandas|random search": (
        "another BLAS or libm sums or multiplies in another order"
    ),
}
# The fewest files that walk each line of `migrations` that a file of 0.22.2 or of 1.1.3 walks, and
# those of 1.0.2 and 1.4.2 that walk others; without an old booster, which is refused.
EACH_STEP: dict[str, tuple[str, ...]] = {
    "0.22.2.post1": (
        "ada SAMME.R bayes two", "calibrated pipeline", "cluster MiniBatchKMeans",
        "columns inner pipeline", "columns mask and slice", "columns pipeline passthrough",
        "cross CCA", "density", "gb deviance three", "gb quantile", "grid forest", "grid scores",
        "hist regressor numbers", "impute iterative indicator", "impute neighbours indicator",
        "isolation max_samples-max_features", "kernel RBFSampler", "kernel chi2",
        "knn ball_tree uniform", "knn mahalanobis brute parameters", "knn minkowski p",
        "knn wminkowski ball_tree parameters", "lightgbm Regressor numbers real",
        "linear RidgeClassifierCV two", "logistic lbfgs two", "logistic ovr two",
        "nearest centroid manhattan", "one vs rest svc", "one-hot strings drop=first",
        "pipeline hist", "prepare PolynomialFeatures", "prepare function absolute",
        "random search distribution", "sgd log three", "svc ties", "text pipeline sgd",
        "text tfidf without idf",
    ),
    "1.0.2": (
        "glm PoissonRegressor", "glm tweedie link log",
    ),
    "1.1.3": (
        "ada SAMME.R bayes two", "calibrated sigmoid svc two one", "columns pipeline scaler",
        "columns selector", "cross PLSRegression", "density", "gb early stop",
        "gb exponential two", "gb init linear", "gb log_loss three", "grid of ovr", "grid scores",
        "hist quantile", "impute iterative indicator", "isolation max_samples-max_features",
        "kernel RBFSampler", "kernel chi2", "knn kd_tree uniform",
        "knn wminkowski ball_tree parameters", "lightgbm Regressor gaps real",
        "logistic lbfgs two", "nearest centroid manhattan", "one vs rest svc",
        "one-hot strings drop=if_binary",
        "one-hot strings min_frequency=15 handle_unknown=infrequent_if_exist",
        "prepare function absolute", "random search distribution", "sgd log_loss three",
        "svc ties", "text pipeline ridge", "xgboost Classifier numbers two",
    ),
    "1.4.2": (
        "hist regressor categories", "one vs rest text labels with ties",
    ),
}  # fmt: skip
THIRD_PARTY = {"lightgbm": "lightgbm", "xgboost": "xgboost"}

# LightGBM 4.6 warns of names when it is asked without; its answers are the same.
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")


def readable(saved: Saved) -> bool:
    """Whether the library that the model is of is installed here."""
    return all(installed(name) for name in THIRD_PARTY if name in saved.kind)


def sample(version: str) -> list[Saved]:
    start = VERSIONS.index(version)
    return [saved for saved in list(saved_models(version))[start::SAMPLE] if readable(saved)]


def check(saved: Saved, verdict: str, why: str) -> None:
    """Fail unless the answers are those of then, or a refusal that is listed."""
    shown = f"{saved.version} {saved.kind}: {verdict}: {why}"
    if (saved.version, saved.kind) in REFUSED:
        assert verdict == "refused", shown
        # Of a booster its own library's version counts.
        version = "XGBoost 1.3" if saved.kind.startswith("xgboost") else saved.version
        assert version in why, f"{shown}: does not say which version saved it"
        return
    assert verdict in ("same", "close"), shown
    if verdict == "close":
        assert any(re.match(pattern, saved.kind) for pattern in ROUNDED), shown


def newer_than_installed(version: str) -> bool:
    return parse_release(version) > installed("sklearn")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sample_answers_as_it_did_when_it_was_saved(version: str) -> None:
    if newer_than_installed(version):
        pytest.skip("saved by a newer version than the installed one")
    for saved in sample(version):
        found = read_in_memory(saved)
        check(saved, found.verdict, found.why)


@pytest.mark.parametrize("version", EACH_STEP)
def test_each_step_gives_the_answers_of_then(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    if newer_than_installed(version):
        pytest.skip("saved by a newer version than the installed one")
    models = {each.kind: each for each in saved_models(version)}
    for kind in EACH_STEP[version]:
        if readable(models[kind]):
            found = read_original(models[kind])
            check(models[kind], found.verdict, found.why)
    assert "Trying to unpickle" not in caplog.text  # it is of today's version by now


@pytest.mark.slow
@pytest.mark.parametrize("way", ["quantized", "original"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_file_answers_as_it_did_when_it_was_saved(version: str, way: str) -> None:
    if newer_than_installed(version):
        pytest.skip("saved by a newer version than the installed one")
    counts: Counter[str] = Counter()
    for saved in filter(readable, saved_models(version)):
        found = READERS[way](saved)
        check(saved, found.verdict, found.why)
        counts[found.verdict] += 1
    assert counts["refused"] <= 0.03 * counts.total()
    assert counts.total() >= 280


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_restored_estimators_answer_as_then_or_say_that_they_cannot(version: str) -> None:
    if newer_than_installed(version):
        pytest.skip("saved by a newer version than the installed one")
    for saved in filter(readable, saved_models(version)):
        found = READERS["restored"](saved)
        if found.verdict == "unrestored":
            assert "cannot say what this model means" in found.why
            continue
        check(saved, found.verdict, found.why)


def test_the_corpus_has_what_it_should() -> None:
    names = {kind.name for kind in all_kinds()}
    assert len(VERSIONS) >= 12
    assert CORPUS.stat().st_size <= LARGEST_BYTES
    for version, files in read_corpus(CORPUS).items():
        index = json.loads(files["index.json"])
        assert index["versions"]["sklearn"] == version
        assert len(index["kinds"]) >= 60
        assert set(index["kinds"]) <= names
        forms = {entry["form"] for entry in index["kinds"].values()}
        assert len(forms) >= 8  # protocols and compressions


def saved(version: str, kind: str) -> Saved:
    return next(each for each in saved_models(version) if each.kind == kind)


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("ada SAMME.R tree three", "ProbabilityAdaBoost"),
        ("logistic ovr three", "OneVsRestLogistic"),
        ("logistic cv ovr three", "OneVsRestLogisticCV"),
        ("logistic multinomial two", "SoftmaxOfTwoLogistic"),
        ("one vs rest stumps with ties", "UnsharedOneVsRest"),
    ],
)
def test_a_meaning_that_is_gone_is_answered_and_not_restored(
    kind: str, meaning: str, tmp_path: Path
) -> None:
    file = saved("1.3.2", kind)
    source = tmp_path / file.file
    source.write_bytes(file.data)
    model, _ = ModelQuantizer(bit_depth="exact").quantize_model(source, "pickle")
    methods = {key.split(".")[0] for key in file.answers}
    for method in sorted(methods):
        given = getattr(model, method)(file.asked())
        assert difference(file.answers[f"{method}.0"], given) in (None, "close")
    if parse_release(MEANINGS[meaning][1]) > installed("sklearn"):
        return  # the installed version can still say it
    with pytest.raises(EnvironmentMismatch, match="cannot say what this model means") as caught:
        model.restore()
    assert MEANINGS[meaning][1] in str(caught.value)
    again = pickle.loads(pickle.dumps(model))
    assert difference(file.answers["predict.0"], again.predict(file.asked())) is None


def test_the_notes_say_which_version_saved_it(tmp_path: Path) -> None:
    file = saved("1.1.3", "forest subsample")
    source = tmp_path / file.file
    source.write_bytes(file.data)
    _, stats = ModelQuantizer(bit_depth="exact").quantize_model(source, "pickle")
    assert "saved by scikit-learn 1.1.3: it answers as it did there" in stats["notes"]
    made = quantize_model_file(source, tmp_path / "m.qma", bit_depth="exact")
    assert "saved by scikit-learn 1.1.3: it answers as it did there" in made["notes"]
