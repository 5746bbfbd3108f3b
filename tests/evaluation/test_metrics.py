"""Every metric equals scikit-learn's, as a score and on resampled rows; the bootstrap covers."""

import numpy as np
import pytest
import sklearn.metrics as skm

from model_quantization.evaluation.answers import Answers
from model_quantization.evaluation.bootstrap import bootstrap_loss_bound
from model_quantization.evaluation.metrics import METRICS, score_of
from model_quantization.evaluation.readings import class_scores

N = 120
RNG = np.random.default_rng(3)
CODES = RNG.integers(0, 3, N)
CLASSES = np.array(["ham", "mail", "spam"])
PROBA = RNG.dirichlet([1, 1, 1], N)
PROBA[np.arange(N), CODES] += 0.5
PROBA = np.round(PROBA / PROBA.sum(axis=1, keepdims=True), 2)  # ties
PROBA /= PROBA.sum(axis=1, keepdims=True)
LABELS = Answers({"predict": CLASSES[PROBA.argmax(1)], "predict_proba": PROBA, "classes_": CLASSES})
TRUTH = CLASSES[CODES]
VALUES = RNG.normal(50, 3, (N, 2))
NUMBERS = Answers({"predict": VALUES + RNG.normal(0, 1, (N, 2))})

REFERENCES = {
    "accuracy": lambda y, a: skm.accuracy_score(y, a.arrays["predict"]),
    "balanced_accuracy": lambda y, a: skm.balanced_accuracy_score(y, a.arrays["predict"]),
    "f1_macro": lambda y, a: skm.f1_score(y, a.arrays["predict"], average="macro"),
    "f1_weighted": lambda y, a: skm.f1_score(y, a.arrays["predict"], average="weighted"),
    "matthews_corrcoef": lambda y, a: skm.matthews_corrcoef(y, a.arrays["predict"]),
    "roc_auc": lambda y, a: skm.roc_auc_score(y, a.arrays["predict_proba"], multi_class="ovr"),
    "log_loss": lambda y, a: -skm.log_loss(y, a.arrays["predict_proba"], labels=CLASSES),
    "r2": lambda y, a: skm.r2_score(y, a.arrays["predict"]),
    "neg_mae": lambda y, a: -skm.mean_absolute_error(y, a.arrays["predict"]),
    "neg_rmse": lambda y, a: -skm.root_mean_squared_error(y, a.arrays["predict"]),
    "neg_median_absolute_error": lambda y, a: -skm.median_absolute_error(y, a.arrays["predict"]),
}


def test_every_metric_has_a_reference():
    assert REFERENCES.keys() == METRICS.keys()


@pytest.mark.parametrize("name", METRICS)
def test_scores_and_resampled_scores(name):
    answers, target = (LABELS, TRUTH)
    if METRICS[name].task == "regression":
        answers, target = (NUMBERS, VALUES)
    weighted = METRICS[name].build(answers, target)
    assert score_of(weighted, N) == pytest.approx(REFERENCES[name](target, answers), rel=1e-9)
    weights = np.stack([np.bincount(RNG.integers(0, N, N), minlength=N) for _ in range(5)])
    for counts, score in zip(weights, weighted(weights.astype(float)), strict=True):
        rows = np.repeat(np.arange(N), counts)
        part = Answers(
            {
                key: array if key == "classes_" else array[rows]
                for key, array in answers.arrays.items()
            }
        )
        assert score == pytest.approx(REFERENCES[name](target[rows], part), rel=1e-9)


def test_binary_auc_from_either_kind_of_scores():
    target = RNG.integers(0, 2, N)
    scores = np.round(target + RNG.normal(0, 1, N), 1)
    answers = Answers(
        {"predict": scores > 0, "decision_function": scores, "classes_": np.arange(2)}
    )
    auc = score_of(METRICS["roc_auc"].build(answers, target), N)
    assert auc == pytest.approx(skm.roc_auc_score(target, scores))
    without = Answers({"predict": target})
    with pytest.raises(ValueError, match="roc_auc needs predict_proba"):
        METRICS["roc_auc"].build(without, target)


def test_log_loss_of_an_unseen_label_is_finite():
    target = np.append(TRUTH[:-1], "unknown")
    assert np.isfinite(score_of(METRICS["log_loss"].build(LABELS, target), N))


def test_r2_of_a_constant_target():
    target = np.full(5, 2.0)
    perfect = METRICS["r2"].build(Answers({"predict": target}), target)
    assert score_of(perfect, 5) == 1.0
    wrong = METRICS["r2"].build(Answers({"predict": target + 1}), target)
    assert score_of(wrong, 5) == 0.0


@pytest.mark.parametrize("name", ["neg_mae", "r2"])
def test_the_bootstrap_covers(name):
    """One-sided 95 %: the bound lies below the true loss in about one data set in twenty."""
    rng = np.random.default_rng(11)
    trials, rows = 150, 80

    def data(count):
        truth = rng.normal(0, 1, count)
        before = truth + rng.normal(0, 0.5, count)
        after = before + rng.normal(0, 0.2, count)
        return truth, Answers({"predict": before}), Answers({"predict": after})

    metric = METRICS[name]
    truth, before, after = data(400_000)
    true = score_of(metric.build(before, truth), len(truth)) - score_of(
        metric.build(after, truth), len(truth)
    )
    below = 0
    for trial in range(trials):
        truth, before, after = data(rows)
        bound = bootstrap_loss_bound(
            metric.build(before, truth),
            metric.build(after, truth),
            rows,
            repeats=400,
            seed=trial,
            alpha=0.05,
        )
        below += bound < true
    assert below / trials <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / trials)


def test_the_bootstrap_is_seeded_and_blind_to_chunks(monkeypatch):
    before = METRICS["neg_mae"].build(NUMBERS, VALUES)
    after = METRICS["neg_mae"].build(Answers({"predict": VALUES + 1}), VALUES)
    options = {"repeats": 200, "alpha": 0.05}
    first = bootstrap_loss_bound(before, after, N, seed=1, **options)
    monkeypatch.setattr("model_quantization.evaluation.bootstrap._CELLS", 1000)
    assert bootstrap_loss_bound(before, after, N, seed=1, **options) == first
    assert bootstrap_loss_bound(before, after, N, seed=2, **options) != first


def test_the_median_of_errors_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    truth, given = generator.normal(size=(2, 41))
    metric = METRICS["neg_median_absolute_error"]
    score = score_of(metric.build(Answers({"predict": given}), truth), 41)
    assert score == pytest.approx(-np.median(np.abs(truth - given)))


def test_scores_of_classes_are_read_in_double_precision() -> None:
    scores = np.array([0.25, -1.5], dtype=np.float32)
    answers = Answers({"classes_": np.array([0, 1]), "decision_function": scores})
    found = class_scores(answers)
    assert found is not None
    assert found[1].dtype == np.float64
    assert found[1].tolist() == [[-0.25, 0.25], [1.5, -1.5]]
