"""The gate: one verdict for each way an evaluation can end, and no stronger tier for more flips."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.evaluation import GatePolicy, Verdict, decide, evaluate
from model_quantization.evaluation.answers import Answers
from model_quantization.outcome import Guarantee, Reason, Status

N = 2000
RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 3, N)
# Said here, as notes quote it: another default changes no test of this file.
POLICY = GatePolicy(allowed_drop=0.005)
ORDER = list(Guarantee)


def classifier(labels, **more):
    return Answers({"predict": np.asarray(labels), "classes_": np.arange(3), **more})


def flipped(count, labels=TRUTH):
    rows = np.random.default_rng(9).permutation(len(labels))[:count]
    after = labels.copy()
    after[rows] = (after[rows] + 1) % 3
    return after


def verdict(
    original, candidate, target=TRUTH, policy=POLICY, *, before=1000, after=100, exact=False, **more
):
    evaluation = evaluate(original, candidate, target, policy, **more)
    return decide(
        evaluation, policy, size_before=before, size_after=after, exact_by_construction=exact
    )


def test_exact_needs_bits_and_construction():
    one = classifier(TRUTH)
    found = verdict(one, one, exact=True)
    assert (found.status, found.guarantee, found.publish) == (
        Status.PUBLISHED,
        Guarantee.EXACT,
        True,
    )
    assert (
        found.reason == "" and "every bit of every answer is the same on 2,000 rows" in found.note
    )
    assert verdict(one, one).guarantee is Guarantee.LABEL_EXACT


def test_an_artifact_that_rounds_nothing_and_differs_has_failed():
    """No weaker tier is offered: bits that differ mean that something is broken."""
    proba = RNG.dirichlet([1, 1, 1], N)
    moved = proba.copy()
    moved[7, 1] = np.nextafter(moved[7, 1], 2)
    one, other = (classifier(TRUTH, predict_proba=each) for each in (proba, moved))
    assert verdict(one, other).guarantee is Guarantee.LABEL_EXACT
    found = verdict(one, other, exact=True)
    assert (found.status, found.guarantee, found.publish, found.reason) == (
        Status.FAILED,
        Guarantee.FALLBACK,
        False,
        Reason.DIFFERS,
    )
    assert "rounds nothing, yet its answers differ: predict_proba by up to" in found.note
    renamed = Answers({"predict": TRUTH, "classes_": np.arange(3, dtype=np.int32)})
    found = verdict(classifier(TRUTH), renamed, exact=True)
    assert found.reason == Reason.DIFFERS and "differ: the classes" in found.note


def test_exact_does_not_ask_for_rows():
    few = classifier(TRUTH[:3])
    assert verdict(few, few, TRUTH[:3], exact=True).guarantee is Guarantee.EXACT


def test_label_exact_says_what_the_rows_allow():
    found = verdict(classifier(TRUTH), classifier(TRUTH))
    assert found.note == (
        "no prediction changed on 2,000 rows: at most 0.15% of new ones do (95% sure)"
    )


def test_non_inferior():
    before = flipped(100)
    after = before.copy()
    after[:4] = TRUTH[:4]
    after[4:7] = (before[4:7] + 1) % 3
    found = verdict(classifier(before), classifier(after))
    assert found.guarantee is Guarantee.NON_INFERIOR and found.publish
    assert found.note.startswith("accuracy 0.95") and "the loss is at most 0.00" in found.note


def test_inconclusive_says_how_many_rows_would_tell():
    found = verdict(classifier(TRUTH), classifier(flipped(8)))
    assert (found.status, found.guarantee) == (Status.FALLBACK, Guarantee.INCONCLUSIVE)
    assert (found.publish, found.reason) == (False, "inconclusive")
    assert "accuracy 1.0000 -> 0.9960, but on 2,000 rows a loss of up to 0.00" in found.note
    assert "cannot be ruled out where 0.005 is allowed" in found.note
    assert "rows would tell" in found.note and "set publish_inconclusive" in found.note
    found = verdict(
        classifier(TRUTH), classifier(flipped(8)), policy=replace(POLICY, publish_inconclusive=True)
    )
    assert (found.status, found.guarantee, found.publish) == (
        Status.PUBLISHED,
        Guarantee.INCONCLUSIVE,
        True,
    )


def test_too_few_rows_show_nothing():
    one = classifier(TRUTH[:10])
    found = verdict(one, one, TRUTH[:10])
    assert found.reason == "inconclusive"
    assert "10 held-out rows show nothing; at least 598 are needed" in found.note


def test_a_loss_falls_back():
    found = verdict(classifier(TRUTH), classifier(flipped(100)))
    assert (found.status, found.guarantee, found.reason) == (
        Status.FALLBACK,
        Guarantee.FALLBACK,
        "gate",
    )
    assert found.note == (
        "accuracy 1.0000 -> 0.9500 on 2,000 rows, a loss of 0.05 where 0.005 is allowed; "
        "try more bits, a lower weight threshold or the exact recipe"
    )
    checks = {check.name: check for check in found.checks}
    assert checks["loss"].limit == 0.005 and not checks["loss"].passed
    # Only limits that apply: this model has no scores.
    assert set(checks) == {"loss", "rows", "class_recall", "size_reduction"}


def test_a_lost_rare_class_falls_back_within_the_allowed_drop():
    target = np.zeros(N, dtype=int)
    target[:9] = 1
    found = verdict(classifier(target), classifier(np.zeros(N, dtype=int)), target)
    assert found.reason == "class_recall"
    assert "recall of class 1 fell from 1 to 0 on 9 rows, more than the 0.05" in found.note


def test_ruined_probabilities_fall_back_though_labels_stay():
    sharp = np.eye(3)[TRUTH]
    flat = sharp * 0.2 + 0.8 / 3
    found = verdict(classifier(TRUTH, predict_proba=sharp), classifier(TRUTH, predict_proba=flat))
    assert found.reason == "proper_score"
    assert "Brier score 0 -> 0.2133 at predict_proba on 2,000 rows" in found.note
    shift = next(check for check in found.checks if check.name == "probability_shift")
    assert shift.value > shift.limit == 0.05 and not shift.passed


def test_no_gain():
    one = classifier(TRUTH)
    for after in (1500, 1000, 981):
        found = verdict(one, one, after=after, exact=True)
        assert (found.status, found.guarantee) == (Status.NO_GAIN, Guarantee.FALLBACK)
        assert (found.attained, found.reason, found.publish) == (Guarantee.EXACT, "no_gain", False)
    assert found.note == (
        "original kept: the artifact has 981 bytes, the original 1,000, and at least 2.0% must "
        "be saved"
    )
    assert verdict(one, one, after=980, exact=True).publish
    assert verdict(one, one, before=0, after=0).reason == "no_gain"
    assert verdict(one, classifier(flipped(100)), after=2000).reason == "gate"


def test_the_required_tier():
    flips = classifier(flipped(4))
    strict = replace(POLICY, require="label_exact")
    found = verdict(classifier(TRUTH), flips, policy=strict)
    assert (found.reason, found.attained) == ("tier", Guarantee.NON_INFERIOR)
    assert "non_inferior was shown" in found.note and "requires label_exact" in found.note
    one = classifier(TRUTH)
    assert verdict(one, one, policy=strict).publish
    assert verdict(one, one, policy=replace(POLICY, require="exact")).reason == "tier"
    lenient = replace(POLICY, require="label_exact", publish_inconclusive=True)
    assert not verdict(one, classifier(flipped(8)), policy=lenient).publish


def test_unverified():
    sizes = {"size_before": 1000, "size_after": 10, "exact_by_construction": True}
    found = decide(None, POLICY, **sizes)
    assert (found.status, found.guarantee, found.publish, found.reason) == (
        Status.UNVERIFIED,
        Guarantee.UNVERIFIED,
        False,
        "unverified",
    )
    assert found.note == (
        "original kept: no held-out data; add a held-out file with the model's name "
        "(`<model>.parquet`, .csv, .csv.gz or .npz), or set publish_unverified"
    )
    found = decide(None, replace(POLICY, publish_unverified=True), **sizes)
    assert found.publish and found.status is Status.UNVERIFIED and found.reason == ""
    assert decide(None, POLICY, **(sizes | {"size_after": 2000})).reason == "no_gain"
    mute = evaluate(Answers({}), Answers({}), None, POLICY)
    assert "the model has no method that answers" in decide(mute, POLICY, **sizes).note


def test_answers_that_cannot_be_used():
    values = RNG.normal(0, 1, N)
    holed = np.where(np.arange(N) == 5, np.nan, values)
    whole, bad = Answers({"predict": values}), Answers({"predict": holed})
    found = verdict(whole, bad, values)
    assert (found.reason, found.guarantee) == ("nan_answers", Guarantee.FALLBACK)
    assert "answers NaN or infinity to predict where the original does not" in found.note
    found = verdict(bad, bad, values)
    assert found.reason == "original_nan" and "the original itself answers NaN" in found.note
    lame = Answers({"predict": values}, {"transform": "TypeError: no"})
    found = verdict(Answers({"predict": values, "transform": values}), lame, values)
    assert found.reason == "failed_method" and "fails at transform (TypeError: no)" in found.note
    none = Answers({"transform": np.zeros((0, 2))})
    assert verdict(none, none, None).reason == "inconclusive"


def test_transformers():
    dense = RNG.normal(0, 1, (N, 2))
    for factor, tier in [
        (1.0, Guarantee.LABEL_EXACT),
        (1.0 + 1e-9, Guarantee.LABEL_EXACT),
        (1.005, Guarantee.NON_INFERIOR),
        (1.1, Guarantee.FALLBACK),
    ]:
        moved = Answers({"transform": dense * factor})
        found = verdict(Answers({"transform": dense}), moved, None)
        assert found.guarantee is tier
    assert (
        "relative error 0.1 at transform, column" in found.note and "0.01 is allowed" in found.note
    )
    moved = Answers({"transform": dense * 1.005})
    assert (
        "off by at most 0.50% of their spread"
        in verdict(Answers({"transform": dense}), moved, None).note
    )


def test_regressors():
    target = RNG.normal(0, 5, N)
    before = target + RNG.normal(0, 1, N)
    original = Answers({"predict": before})
    for noise, tier in [(1e-9, "label_exact"), (0.05, "non_inferior"), (3.0, "fallback")]:
        rough = Answers({"predict": before + RNG.normal(0, noise, N)})
        assert verdict(original, rough, target).guarantee == tier
        in_units = GatePolicy(metric="neg_mae", allowed_drop=0.01)
        assert verdict(original, rough, target, in_units).guarantee == tier


def test_verdicts_are_json():
    found = verdict(classifier(TRUTH), classifier(flipped(8)))
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Verdict.from_json(record) == found


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.integers(1, 600),
    st.lists(st.integers(0, 600), min_size=2, max_size=5),
    st.booleans(),
    st.sampled_from([0.0, 0.005, 0.05, 0.5]),
)
def test_more_harm_never_gives_a_stronger_tier(rows, counts, with_target, allowed):
    """Each candidate spoils the rows that the one before did, and some more."""
    policy, truth = GatePolicy(allowed_drop=allowed), TRUTH[:rows]
    tiers = []
    for count in sorted(min(count, rows) for count in counts):
        found = verdict(
            classifier(truth),
            classifier(flipped(count, truth)),
            truth if with_target else None,
            policy,
            exact=count == 0,
        )
        tiers.append(ORDER.index(found.guarantee))
        assert (found.guarantee is Guarantee.EXACT) == (count == 0)
    assert tiers == sorted(tiers)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_figure_that_is_not_known_passes_nothing_and_raises_nothing(missing):
    sizes = {"size_before": 10, "size_after": 1, "exact_by_construction": False}
    known = evaluate(classifier(TRUTH), classifier(flipped(2)), TRUTH, POLICY)
    assert decide(known, POLICY, **sizes).publish
    found = decide(replace(known, loss_bound=missing), POLICY, **sizes)
    assert found.guarantee is Guarantee.INCONCLUSIVE
    found = decide(replace(known, loss=missing), POLICY, **sizes)
    assert found.guarantee is Guarantee.FALLBACK
    json.dumps(found.to_json(), allow_nan=False)


def test_label_exact_needs_the_bound_on_flips_as_well():
    sizes = {"size_before": 10, "size_after": 1, "exact_by_construction": False}
    known = evaluate(classifier(TRUTH), classifier(TRUTH), TRUTH, POLICY)
    assert decide(known, POLICY, **sizes).guarantee is Guarantee.LABEL_EXACT
    loose = replace(known, flip_bound=0.0051)
    assert decide(loose, POLICY, **sizes).guarantee is Guarantee.NON_INFERIOR


def test_what_is_published_without_a_proof_keeps_its_checks():
    policy = replace(POLICY, publish_inconclusive=True)
    published = verdict(classifier(TRUTH), classifier(flipped(8)), policy=policy)
    kept = verdict(classifier(TRUTH), classifier(flipped(8)))
    assert (published.guarantee, published.publish) == (Guarantee.INCONCLUSIVE, True)
    assert published.checks == kept.checks != ()
    assert not all(check.passed for check in published.checks)
