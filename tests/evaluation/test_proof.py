"""Evaluations: each kind of task gives the figures the gate needs, whatever the answers are."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

from model_quantization.errors import ConfigError, HeldOutError
from model_quantization.evaluation import Evaluation, GatePolicy, evaluate
from model_quantization.evaluation.agreement import compare_method, relative_error, same_bits
from model_quantization.evaluation.answers import Answers, plain_arrays
from model_quantization.evaluation.bounds import flip_bound, loss_bound

N = 400
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, N)
# Said here, as the figures below follow from it: another default changes no test of this file.
POLICY = GatePolicy(allowed_drop=0.005)


def classifier(labels, **more):
    return Answers({"predict": np.asarray(labels), "classes_": np.arange(3), **more})


def wrong(labels, count, start=0):
    labels = labels.copy()
    labels[start : start + count] = (labels[start : start + count] + 1) % 3
    return labels


def test_an_exact_copy():
    original = classifier(TRUTH, predict_proba=RNG.dirichlet([1, 1, 1], N))
    found = evaluate(original, original, TRUTH, POLICY)
    assert found.bit_identical and found.labels_changed == 0
    assert found.task == "classification" and found.metric == "accuracy"
    assert (found.b, found.c, found.loss) == (0, 0, 0.0)
    assert found.flip_bound == flip_bound(0, N)
    assert found.loss_bound == loss_bound(0, 0, N)
    assert found.rows_needed == 598


def test_discordant_rows_are_counted_and_bounded():
    before, after = wrong(TRUTH, 10), wrong(TRUTH, 6, start=7)
    found = evaluate(classifier(before), classifier(after), TRUTH, POLICY)
    assert (found.b, found.c, found.labels_changed) == (3, 7, 10)
    assert found.change == pytest.approx(4 / N)
    assert found.score_before == pytest.approx(1 - 10 / N)
    assert found.method == "exact paired binomial"
    assert found.loss_bound == loss_bound(3, 7, N)
    assert not found.bit_identical and found.agreement[0].rows_changed == 10


def test_targets_and_labels_of_other_types():
    names = np.array(["0", "1", "2"])
    original = Answers({"predict": names[TRUTH], "classes_": names})
    for target in (TRUTH, TRUTH.astype(float), TRUTH[:, np.newaxis], names[TRUTH]):
        found = evaluate(original, original, target, POLICY)
        assert found.score_before == 1.0 and found.notes == ()
    found = evaluate(classifier(TRUTH), classifier(TRUTH), names[TRUTH], POLICY)
    assert found.score_before == 1.0


def test_targets_that_do_not_fit():
    with pytest.raises(HeldOutError, match=r"do not fit.*expected shape \(400,\), got \(400, 2\)"):
        evaluate(classifier(TRUTH), classifier(TRUTH), np.zeros((N, 2)), POLICY)
    numbers = Answers({"predict": np.zeros(N)})
    with pytest.raises(HeldOutError, match="regressor has values that are not numbers"):
        evaluate(numbers, numbers, np.full(N, "a"), POLICY)
    with pytest.raises(HeldOutError, match="do not fit"):
        evaluate(numbers, numbers, np.zeros((N, 2)), POLICY)


def test_without_target_the_original_is_the_truth():
    found = evaluate(classifier(TRUTH), classifier(wrong(TRUTH, 4)), None, POLICY)
    assert (found.metric, found.method) == ("agreement", "exact binomial")
    assert found.loss == 0.01 and found.loss_bound == flip_bound(4, N)


def test_unseen_labels_and_one_class():
    target = np.full(N, 7)
    found = evaluate(classifier(TRUTH), classifier(TRUTH), target, POLICY)
    assert found.score_before == 0.0
    assert found.notes == (
        "every held-out target is 7: only one class was tested",
        "400 held-out targets are labels that the model never saw",
    )


def test_a_lost_class_is_found():
    target = np.zeros(N, dtype=int)
    target[:20] = 1
    found = evaluate(classifier(target), classifier(np.zeros(N, dtype=int)), target, POLICY)
    assert found.worst_class.label == "1" and found.worst_class.rows == 20
    assert found.worst_class.loss == 1.0 and found.worst_class.p_value < 0.01
    single = np.zeros(N, dtype=int)
    single[0] = 1
    found = evaluate(classifier(single), classifier(np.zeros(N, dtype=int)), single, POLICY)
    assert found.worst_class.p_value > 0.05  # one row of a class proves nothing


@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "log_loss", "f1_weighted"])
def test_other_metrics_by_bootstrap(metric):
    proba = RNG.dirichlet([1, 1, 1], N)
    noise = np.abs(proba + RNG.normal(0, 0.05, proba.shape))
    noise /= noise.sum(axis=1, keepdims=True)
    policy = GatePolicy(metric=metric, bootstrap_repeats=200)
    original = classifier(proba.argmax(1), predict_proba=proba)
    candidate = classifier(noise.argmax(1), predict_proba=noise)
    found = evaluate(original, candidate, TRUTH, policy)
    assert (found.metric, found.method) == (metric, "paired bootstrap")
    assert found.loss_bound > found.loss
    assert found == evaluate(original, candidate, TRUTH, policy)
    assert 0 < found.probability_shift < 0.2


def test_a_bootstrap_of_few_flips_is_not_believed():
    policy = GatePolicy(metric="f1_macro", bootstrap_repeats=200)
    copy = classifier(TRUTH, predict_proba=np.ones((N, 3)) / 3)
    moved = classifier(TRUTH, predict_proba=np.ones((N, 3)) / 3 + 1e-9)
    assert evaluate(copy, moved, TRUTH, policy).loss_bound == flip_bound(0, N)


@pytest.mark.parametrize(
    ("metric", "answers", "target", "note"),
    [
        ("r2", classifier(TRUTH), TRUTH, "r2 is for regression: accuracy is used"),
        ("roc_auc", classifier(TRUTH), TRUTH, "roc_auc needs class scores: accuracy is used"),
        (
            "log_loss",
            classifier(TRUTH, decision_function=np.zeros((N, 3))),
            TRUTH,
            "log_loss needs predict_proba: accuracy is used",
        ),
        (
            "roc_auc",
            classifier(TRUTH, predict_proba=np.ones((N, 3))),
            np.zeros(N, dtype=int),
            "roc_auc needs two classes among the targets: accuracy is used",
        ),
        (
            "f1_macro",
            Answers({"predict": np.zeros((N, 2), dtype=int), "classes_/0": np.arange(2)}),
            np.zeros((N, 2)),
            "f1_macro is for one output: accuracy is used",
        ),
        ("f1_macro", Answers({"predict": np.ones(N)}), TRUTH, "f1_macro is for classification: r2"),
    ],
)
def test_a_metric_that_does_not_apply_gives_way(metric, answers, target, note):
    found = evaluate(answers, answers, target, GatePolicy(metric=metric))
    assert any(each.startswith(note) for each in found.notes)


def test_several_labels_a_row():
    target = RNG.integers(0, 2, (N, 3))
    after = target.copy()
    after[:30, 1] = 1 - after[:30, 1]
    original = Answers({"predict": target, "classes_/0": np.arange(2)})
    candidate = Answers({"predict": after, "classes_/0": np.arange(2)})
    found = evaluate(original, candidate, target, POLICY)
    assert found.method == "exact paired binomial" and found.labels_changed == 30
    assert found.checks[0].where == "output 1" and found.loss_bound == loss_bound(30, 0, N)
    assert found.loss == pytest.approx(10 / N) and found.b is None
    sparse = Answers(plain_arrays("predict", sp.csr_array(target)) | {"classes_": np.arange(3)})
    assert evaluate(sparse, sparse, target, POLICY).score_before == 1.0


def test_regression():
    target = RNG.normal(100, 10, N)
    before = target + RNG.normal(0, 3, N)
    original = Answers({"predict": before})
    close = Answers({"predict": before + RNG.normal(0, 1e-7, N)})
    found = evaluate(original, close, target, POLICY)
    assert (found.task, found.metric, found.method) == (
        "regression",
        "r2",
        "exact bound on the mean",
    )
    assert found.labels_changed == 0 and not found.bit_identical
    rough = Answers({"predict": before + RNG.normal(0, 1, N)})
    found = evaluate(original, rough, target, GatePolicy(metric="neg_rmse"))
    assert found.method == "paired bootstrap"
    assert found.unit == pytest.approx(target.std()) and found.labels_changed == N
    assert found.score_before < -2 and found.loss < found.loss_bound
    assert evaluate(original, rough, np.full(N, 3.0), POLICY).notes == ("the target is constant",)


def test_regression_without_target_is_held_against_the_original():
    before = RNG.normal(0, 1, N)
    original, rough = Answers({"predict": before}), Answers({"predict": before * 1.001})
    found = evaluate(original, rough, None, POLICY)
    assert found.metric == "relative_error" and found.loss == pytest.approx(0.001, rel=0.05)
    assert found.score_before is None and found.labels_changed > 0


def test_transformers_dense_sparse_and_integer():
    dense = RNG.normal(0, [1.0, 1000.0, 1e-12], (N, 3))
    moved = dense + np.array([0.02, 0.0, 1e-12])
    found = evaluate(Answers({"transform": dense}), Answers({"transform": moved}), None, POLICY)
    assert found.task == "transform" and found.metric == "relative_error"
    assert found.loss == pytest.approx(0.02, rel=0.1)  # the third column is rounding noise
    matrix = sp.random_array((N, 50), density=0.1, rng=RNG, format="csr")
    sparse = [Answers(plain_arrays("transform", m)) for m in (matrix, matrix * 1.001)]
    assert evaluate(*sparse, None, POLICY).loss == pytest.approx(0.001, rel=0.1)
    assert relative_error(matrix, matrix * 1.001) == pytest.approx(
        relative_error(matrix.toarray(), matrix.toarray() * 1.001)
    )
    codes = RNG.integers(0, 9, (N, 2))
    found = evaluate(
        Answers({"transform": codes}), Answers({"transform": np.roll(codes, 1, 0)}), None, POLICY
    )
    assert found.metric == "agreement" and found.loss > 0.5
    only_scores = Answers({"score_samples": dense[:, 0]})
    assert evaluate(only_scores, only_scores, None, POLICY).metric == "relative_error"


def test_clusters_and_outliers_must_match_as_they_come():
    clusters = Answers({"predict": TRUTH})
    renamed = Answers({"predict": (TRUTH + 1) % 3})
    for target in (None, TRUTH):
        found = evaluate(clusters, renamed, target, POLICY, task="cluster")
        assert found.metric == "agreement" and found.loss == 1.0
    assert evaluate(clusters, renamed, None, POLICY).task == "cluster"
    assert evaluate(clusters, renamed, TRUTH + 7, POLICY).task == "cluster"
    assert evaluate(clusters, renamed, TRUTH, POLICY).task == "classification"
    signs = np.where(TRUTH > 0, 1, -1)
    outlier = Answers({"predict": signs, "decision_function": signs * 0.5})
    found = evaluate(outlier, outlier, None, POLICY)
    assert (found.task, found.metric) == ("outlier", "agreement")
    assert evaluate(outlier, outlier, signs, POLICY).metric == "accuracy"
    found = evaluate(outlier, outlier, TRUTH, POLICY)
    assert found.metric == "agreement" and "not 1 and -1" in found.notes[0]


def test_answers_that_cannot_be_compared():
    original = classifier(TRUTH, predict_proba=np.full((N, 3), 1 / 3), transform=np.ones((N, 2)))
    missing = Answers({"predict": TRUTH}, {"transform": "TypeError: no"})
    found = evaluate(original, missing, TRUTH, POLICY)
    assert found.failed == {"predict_proba": "no answer", "transform": "TypeError: no"}
    assert found.metric == "" and not found.bit_identical
    other = classifier(TRUTH.astype(str), predict_proba=np.ones((N, 2)), transform=np.ones((N, 2)))
    found = evaluate(original, other, TRUTH, POLICY)
    assert found.failed["predict"].startswith("expected numbers of shape (400,), got text")
    assert "(400, 2)" in found.failed["predict_proba"]
    listed = Answers({"transform/0": np.ones((N, 2))})
    found = evaluate(Answers({"transform": np.ones((N, 2))}), listed, None, POLICY)
    assert found.failed["transform"] == "expected outputs transform, got transform/0"


def test_nan_and_infinity():
    values = RNG.normal(0, 1, N)
    holed = values.copy()
    holed[3] = np.nan
    burst = values.copy()
    burst[3] = np.inf
    whole = Answers({"predict": values})
    for bad in (holed, burst):
        assert evaluate(whole, Answers({"predict": bad}), values, POLICY).nan_methods == (
            "predict",
        )
        found = evaluate(Answers({"predict": bad}), whole, values, POLICY)
        assert found.original_nan == ("predict",)
    # A transformer may hand on the NaN it was given; a log density may be -inf.
    found = evaluate(Answers({"transform": holed}), Answers({"transform": holed}), None, POLICY)
    assert found.bit_identical and not found.nan_methods and not found.original_nan
    density = Answers({"score_samples": -burst})
    assert evaluate(density, density, None, POLICY).loss == 0.0


def test_a_method_the_original_fails_at_is_noted():
    original = Answers({"predict": TRUTH, "classes_": np.arange(3)}, {"transform": "ValueError: x"})
    found = evaluate(original, original, TRUTH, POLICY)
    assert found.notes == ("the original fails at transform: ValueError: x",)


def test_no_answers_at_all():
    found = evaluate(Answers({}), Answers({}), None, POLICY)
    assert (found.task, found.rows, found.bit_identical) == ("none", 0, False)


def test_bits():
    assert same_bits(np.array([np.nan, -0.0]), np.array([np.nan, -0.0]))
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert not same_bits(np.array([1.0]), np.array([1.0], dtype=np.float32))
    assert same_bits(np.array(["a"]), np.array(["a"], dtype="U9"))


def test_agreement_of_scores():
    before = np.array([[0.0, -np.inf], [2.0, 4.0]])
    one, two = Answers({"score_samples": before}), Answers({"score_samples": before + 0.5})
    found = compare_method(one, two, "score_samples")
    assert found.largest_difference == 0.5 and found.rows_changed == 2
    assert compare_method(one, one, "score_samples").identical
    flat = Answers({"score_samples": np.ones(3)})
    up = Answers({"score_samples": np.ones(3) + 1})
    assert json.dumps(
        compare_method(flat, up, "score_samples").relative_difference, allow_nan=False
    )


def test_json_round_trip():
    target = np.zeros(N, dtype=int)
    target[:20] = 1
    found = evaluate(classifier(target), classifier(np.zeros(N, dtype=int)), target, POLICY)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Evaluation.from_json(record | {"of a newer version": 1}) == found
    copy = evaluate(classifier(target), classifier(target), None, POLICY)
    assert Evaluation.from_json(copy.to_json()) == copy


@pytest.mark.parametrize(
    "bad",
    [
        {"allowed_drop": -0.1},
        {"allowed_class_drop": -1},
        {"alpha": 0.0},
        {"min_size_reduction": 1.0},
        {"bootstrap_repeats": 5},
        {"min_rows": -1},
        {"require": "perfect"},
        {"metric": "goodness"},
    ],
)
def test_limits_that_make_no_sense(bad):
    (name,) = bad
    with pytest.raises(ConfigError, match=f"gate/{name}: a limit of the gate cannot be used"):
        GatePolicy(**bad)
    assert GatePolicy(**GatePolicy().to_json()) == GatePolicy()


@pytest.mark.parametrize("part", [1e-5, 1e-4, 1e-3])
def test_a_number_counts_as_changed_from_a_millionth_of_the_spread(part):
    """One row off by less than a thousandth is a change all the same: no `label_exact`."""
    values = RNG.normal(0, 3, N)
    moved = values.copy()
    moved[5] += part * values.std()
    one, other = Answers({"score_samples": values}), Answers({"score_samples": moved})
    assert compare_method(one, other, "score_samples").rows_changed == 1
    moved[5] = values[5] + 1e-7 * values.std()
    assert compare_method(one, other, "score_samples").rows_changed == 0
    predicted = values.copy()
    predicted[5] += part * values.std()
    found = evaluate(Answers({"predict": values}), Answers({"predict": predicted}), values, POLICY)
    assert found.labels_changed == 1


def test_other_classes_are_no_bit_identical_answer():
    """The same labels with other `classes_` behind them, in dtype or in order, are not the same."""
    proba = RNG.dirichlet([1, 1, 1], N)
    original = classifier(TRUTH, predict_proba=proba)
    for classes in (np.arange(3, dtype=np.int32), np.array([2, 1, 0]), None):
        arrays = {"predict": TRUTH, "predict_proba": proba}
        arrays |= {} if classes is None else {"classes_": classes}
        found = evaluate(original, Answers(arrays), TRUTH, POLICY)
        assert not found.bit_identical and all(each.identical for each in found.agreement)
    assert evaluate(original, classifier(TRUTH, predict_proba=proba), TRUTH, POLICY).bit_identical


def test_every_method_that_answers_is_judged():
    target = RNG.integers(0, 2, N)
    proba = np.column_stack([1 - 0.8 * target, 0.8 * target])
    whole = {
        "predict": target,
        "predict_proba": proba,
        "decision_function": proba[:, 1] - 0.4,
        "score_samples": RNG.normal(0, 1, N),
        "transform": RNG.normal(0, 1, (N, 3)),
        "classes_": np.arange(2),
    }
    names = {
        check.where for check in evaluate(Answers(whole), Answers(whole), target, POLICY).checks
    }
    assert {each.partition(",")[0] for each in names} >= {
        "predict_proba", "decision_function", "score_samples", "transform"
    }  # fmt: skip
    for method in ("predict_proba", "decision_function", "score_samples", "transform"):
        ruined = whole | {method: np.zeros_like(whole[method])}
        found = evaluate(Answers(whole), Answers(ruined), target, POLICY)
        lost = [check for check in found.checks if check.finding == "lost"]
        assert lost and all(check.where.startswith(method) for check in lost)
        sparse = evaluate(Answers(whole), Answers(ruined), None, POLICY, task="classification")
        assert any(check.finding == "lost" for check in sparse.checks)


def test_outlier_scores_are_held_against_the_originals_own():
    scores = RNG.normal(0, 1, 2000)
    labels = np.where(scores > -1.5, 1, -1)
    shuffled = scores.copy()
    for label in (-1, 1):
        mine = np.flatnonzero(labels == label)
        shuffled[mine] = scores[RNG.permutation(mine)]
    pair = [
        Answers({"predict": labels, "decision_function": each, "score_samples": each})
        for each in (scores, shuffled)
    ]
    for target in (None, labels):
        found = evaluate(*pair, target, POLICY, task="outlier")
        names = {check.name for check in found.checks if check.finding == "lost"}
        assert {"rank_correlation", "score_error", "ruined_rows"} <= names
        assert found.labels_changed == 0
    signs = Answers(pair[0].arrays | {"decision_function": np.sign(scores)})
    found = evaluate(pair[0], signs, None, POLICY, task="outlier")
    assert any(check.finding == "lost" for check in found.checks)


def test_scores_of_classes_that_the_truth_ranked_are_correlated_on_the_whole():
    """The worst of many columns is bad by chance; a single ruined one shows in its error."""
    rows, classes = 1500, 60
    target = RNG.integers(0, classes, rows)
    scores = RNG.normal(0, 1, (rows, classes))
    scores[np.arange(rows), target] += 6
    near = scores + RNG.normal(0, np.linspace(0.05, 0.16, classes), scores.shape)
    shuffled = near.copy()
    shuffled[:, 7] = near[RNG.permutation(rows), 7]

    def checks(after, truth, *, columns=classes):
        pair = [
            Answers(
                {
                    "predict": each[:, :columns].argmax(axis=1),
                    "decision_function": each[:, :columns],
                    "classes_": np.arange(columns),
                }
            )
            for each in (scores, after)
        ]
        found = evaluate(*pair, truth, POLICY, task="classification")
        return {check.name: check for check in found.checks}

    assert checks(near, target)["rank_correlation"].finding == "held"
    assert checks(near, None)["rank_correlation"].finding == "lost"  # the worst column
    ruined = checks(shuffled, target)
    assert ruined["score_error"].finding == ruined["rank_correlation"].finding == "lost"
    assert "column 7" in ruined["rank_correlation"].where
    assert (
        checks(scores + RNG.normal(0, 0.3, scores.shape), target)["rank_correlation"].value < 0.99
    )


def test_outputs_of_several_models_are_taken_row_by_row():
    """A soft vote that does not flatten gives (models, n, classes)."""
    parts = RNG.dirichlet([1, 1], (3, 1000))
    target = (parts.mean(axis=0)[:, 1] > 0.5).astype(int)
    whole = {"predict": target, "transform": parts, "classes_": np.arange(2)}
    assert evaluate(Answers(whole), Answers(whole), target, POLICY).rows_needed is None
    spoiled = parts.copy()
    spoiled[1, :20] = 0.0
    found = evaluate(Answers(whole), Answers(whole | {"transform": spoiled}), target, POLICY)
    ruined = next(check for check in found.checks if check.name == "ruined_rows")
    assert (ruined.finding, ruined.observed) == ("lost", 0.02)


def test_a_single_class_of_sure_probabilities():
    target = np.zeros(1000, dtype=int)
    sure = np.column_stack([np.ones(1000), np.zeros(1000)])
    one = Answers({"predict": target, "predict_proba": sure, "classes_": np.arange(2)})
    assert all(check.passed for check in evaluate(one, one, target, POLICY).checks)
    less = Answers(one.arrays | {"predict_proba": np.abs(sure - 0.01)})
    assert any(check.finding == "lost" for check in evaluate(one, less, target, POLICY).checks)
