"""How often terms will occur in documents to come, from the vocabulary alone.

Most terms of a vocabulary were seen in one document. In a new one such a term is much rarer than
that: of a pair of words that was seen once, about a fifth is seen again in as many new documents.
Good and Turing's estimate says how much, from the numbers of terms that were seen once, twice, and
so on. Words and pairs of words differ, so each length has an estimate of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.arrays import Array

Numbers = NDArray[np.float64]

_FEWEST_COUNTS: Final = 4  # distinct counts from which a line through them means something
_SURE_TERMS: Final = 30  # so many terms of a count, and of the next: their ratio is taken as it is
_MOST_DIRECT: Final = 3  # larger counts are estimated from the line
NO_TERM: Final = -1


def expected_counts(counts: Array, lengths: Array) -> Numbers:
    """Return the expected number of documents with each term, in as many new documents.

    Parameters
    ----------
    counts : integer array of shape (n_terms,)
        Documents with each term, at least 1.
    lengths : integer array of shape (n_terms,)
        Words (or characters) of each term.

    Notes
    -----
    (r + 1) N(r + 1) / N(r) for the smallest counts r, of which there are N(r) terms; beyond them
    N is a power of r (Gale and Sampson, Good-Turing frequency estimation without tears, Journal of
    Quantitative Linguistics 2, 1995). No term is expected more often than it was seen.
    """
    expected = counts.astype(np.float64)
    for length in np.unique(lengths):
        mine = lengths == length
        expected[mine] = _good_turing(counts[mine])
    return expected


def _good_turing(counts: Array) -> Numbers:
    seen = counts.astype(np.float64)
    values, codes, terms = np.unique(seen, return_inverse=True, return_counts=True)
    if len(values) < _FEWEST_COUNTS:
        return seen
    # Large counts are met now and then: each stands for all counts half way to its neighbours.
    before = np.concatenate([[0.0], values[:-1]])
    after = np.concatenate([values[1:], [2 * values[-1] - before[-1]]])
    density = 2 * terms / (after - before)
    slope = np.polyfit(np.log(values), np.log(density), 1)[0]
    table = values * (1 + 1 / values) ** (min(slope, -1.0) + 1)
    for at in range(min(_MOST_DIRECT, len(values) - 1)):
        follows = values[at + 1] == values[at] + 1
        if not follows or min(terms[at], terms[at + 1]) < _SURE_TERMS:
            break
        table[at] = values[at + 1] * terms[at + 1] / terms[at]
    return np.asarray(np.minimum(table, values)[codes])


@dataclass(frozen=True, slots=True)
class Relations:
    """Which terms are parts of which: a pair of words holds its two words.

    Attributes
    ----------
    lengths : integer array of shape (n_terms,)
        Words (or characters) of each term.
    parts : integer array of shape (n_terms, 2)
        The term without its last word, and without its first; `NO_TERM` where that is no term.
    """

    lengths: Array
    parts: Array


@lru_cache(maxsize=1)
def relations_of(terms: tuple[str, ...], joint: str | None) -> Relations:
    """Return the relations of terms; those of the last vocabulary are kept.

    Parameters
    ----------
    terms : tuple of str
    joint : str or None
        What is between the words of a term: a space; "" where the parts are characters; None where
        terms have no parts.
    """
    if joint is None:
        return Relations(np.ones(len(terms), np.int64), np.full((len(terms), 2), NO_TERM))
    place = {term: at for at, term in enumerate(terms)}
    lengths = np.empty(len(terms), np.int64)
    parts = np.full((len(terms), 2), NO_TERM)
    for at, term in enumerate(terms):
        if joint:
            lengths[at] = 1 + term.count(joint)
            ends = (term.rpartition(joint)[0], term.partition(joint)[2])
        else:
            lengths[at] = len(term)
            ends = (term[:-1], term[1:])
        if lengths[at] > 1:
            parts[at] = place.get(ends[0], NO_TERM), place.get(ends[1], NO_TERM)
    return Relations(lengths, parts)


def passed_on(amounts: Numbers, keep: Array, relations: Relations) -> tuple[Numbers, Numbers]:
    """Return what each kept term gets of the terms that go, and what none can take.

    A term that goes leaves half of its amount to either part; all to one where the other is no
    term. Parts that go, too, pass it on.

    Parameters
    ----------
    amounts : shape (n_terms,) or (n_terms, k)
    keep : boolean array of shape (n_terms,)
    relations : Relations
    """
    held = np.where(_along(keep, amounts), 0.0, amounts)
    rest = np.zeros(amounts.shape[1:])
    for length in np.unique(relations.lengths)[::-1]:
        going = np.flatnonzero(~keep & (relations.lengths == length))
        parts = relations.parts[going]
        known = parts != NO_TERM
        shares = known / np.maximum(known.sum(axis=1, keepdims=True), 1)
        rest += held[going[~known.any(axis=1)]].sum(axis=0)
        for side in (0, 1):
            mine = known[:, side]
            share = _along(shares[mine, side], amounts)
            _add_up(held, parts[mine, side], held[going[mine]] * share)
    return np.where(_along(keep, amounts), held, 0.0), rest


def _add_up(held: Numbers, places: Array, amounts: Numbers) -> None:
    """Add the amounts to their places, some of which get several."""
    if not len(places):
        return
    order = np.argsort(places, kind="stable")
    present, starts = np.unique(places[order], return_index=True)
    held[present] += np.add.reduceat(amounts[order], starts, axis=0)


def _along(values: Array, like: Numbers) -> Array:
    """Values per term, shaped to multiply amounts per term."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))
