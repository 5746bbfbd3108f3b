"""How often terms occur in documents to come, and what those that go leave to others."""

from __future__ import annotations

import numpy as np
import pytest

from model_quantization.planning.expected_terms import (
    NO_TERM,
    expected_counts,
    passed_on,
    relations_of,
)


def test_rare_terms_are_expected_less_often_than_they_were_seen() -> None:
    """Documents drawn twice from the same chances: the first predict the second."""
    random = np.random.default_rng(0)
    chance = 0.3 / np.arange(1, 60_001)
    first, second = (random.binomial(4000, chance) for _ in range(2))
    seen = first > 0
    expected = expected_counts(first[seen], np.ones(seen.sum(), int))
    for count in (1, 2, 3):
        mine = first[seen] == count
        truth = second[seen][mine].mean()
        assert expected[mine][0] == pytest.approx(truth, rel=0.2)
        assert abs(expected[mine][0] - truth) < abs(count - truth)
    assert (expected <= first[seen]).all()
    assert expected.sum() == pytest.approx(second[seen].sum(), rel=0.05)


@pytest.mark.parametrize("counts", [[3, 3, 3], [1, 2], [5], [2, 4, 6, 8, 10, 12]])
def test_few_or_odd_counts_are_no_failure(counts: list[int]) -> None:
    seen = np.array(counts)
    expected = expected_counts(seen, np.ones(len(seen), int))
    assert np.isfinite(expected).all()
    assert (expected > 0).all()
    assert (expected <= seen).all()


def test_each_length_has_its_own_estimate() -> None:
    counts = np.repeat([1, 2, 3, 4, 1, 2, 3, 4], [800, 400, 260, 200, 4000, 400, 120, 50])
    lengths = np.repeat([1, 2], [1660, 4570])
    expected = expected_counts(counts, lengths)
    assert expected[0] == pytest.approx(1.0)
    assert expected[1660] == pytest.approx(0.2)


def test_parts_are_a_terms_words_or_its_characters() -> None:
    words = relations_of(("big", "dog", "big dog", "a big dog"), " ")
    assert words.lengths.tolist() == [1, 1, 2, 3]
    assert words.parts.tolist() == [[NO_TERM] * 2, [NO_TERM] * 2, [0, 1], [NO_TERM, 2]]
    characters = relations_of(("ab", "bc", "abc"), "")
    assert characters.parts.tolist()[2] == [0, 1]
    assert (relations_of(("a b", "a"), None).parts == NO_TERM).all()


def test_what_goes_is_passed_on_and_nothing_is_lost() -> None:
    relations = relations_of(("big", "dog", "cat", "big dog", "big cat", "big dog cat"), " ")
    amounts = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    keep = np.array([True, True, False, False, False, False])
    taken, rest = passed_on(amounts, keep, relations)
    # "big dog cat" holds "big dog", whose two words stay; "dog cat" is no term.
    assert taken.tolist() == [(8 + 32) / 2 + 16 / 2, (8 + 32) / 2, 0, 0, 0, 0]
    assert rest == 4 + 16 / 2
    assert taken.sum() + rest == amounts[~keep].sum()


def test_amounts_may_have_columns() -> None:
    random = np.random.default_rng(1)
    words = [f"w{at}" for at in range(40)]
    terms = [*words, *{f"{a} {b}" for a, b in random.choice(words, (200, 2)).tolist()}]
    relations = relations_of(tuple(terms), " ")
    amounts = random.normal(size=(len(terms), 3))
    keep = random.random(len(terms)) < 0.5
    taken, rest = passed_on(amounts, keep, relations)
    for column in range(3):
        alone, left = passed_on(amounts[:, column], keep, relations)
        assert np.allclose(taken[:, column], alone)
        assert np.isclose(rest[column], left)
    assert np.allclose(taken.sum(axis=0) + rest, amounts[~keep].sum(axis=0))
