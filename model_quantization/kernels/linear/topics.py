"""Topics of documents: the shares that explain a document's words, found by iteration.

The variational inference of Blei, Ng and Jordan, Latent Dirichlet Allocation (2003), section 5.2,
with the steps that scikit-learn takes.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.compiled import kernel

_CLOSE = 1e-9  # of the tolerance: rounding may end the search one iteration sooner or later


def shares_of_topics(
    rows: Array, topics: Array, prior: float, most: int, tolerance: float
) -> Array | None:
    """The share of each topic in each row, (n, n_topics); None where rounding may end the search.

    Also None where a count is below zero or not finite.

    Parameters
    ----------
    rows : float64 array of shape (n, n_words), C-contiguous
    topics : float64 array of shape (n_words, n_topics), C-contiguous
    prior : float
    most : int
        Iterations of the search.
    tolerance : float
        The mean change that ends it.
    """
    width, count = topics.shape
    shares = np.empty((len(rows), count))
    words, room = np.empty(width + 1, dtype=np.int64), np.empty(width + 1 + 2 * count)
    unclear = fill_topics(rows, topics, prior, most, tolerance, _CLOSE, words, room, shares)
    return None if unclear else shares


@kernel
def fill_topics(
    rows: Array,
    topics: Array,
    prior: float,
    most: int,
    tolerance: float,
    close: float,
    words: Array,
    room: Array,
    shares: Array,
) -> int:
    """Fill `shares`; how many rows end within `close` of the tolerance, or cannot be answered.

    `words`, int64 of shape (n_words + 1,), and `room`, float64 of shape
    (n_words + 1 + 2 * n_topics,), are to work in. A row that cannot be answered has ones.
    """
    unclear = 0
    for row, out in zip(rows, shares, strict=True):
        out[...] = 1.0
        if not (np.isfinite(row) & (row >= 0)).all():
            unclear += 1
            continue
        chosen = np.flatnonzero(row)
        counts, topic = row[chosen], topics[chosen]
        expected = _expected(out)
        for _ in range(most):
            parts = counts / (topic @ expected + np.finfo(np.float64).eps)
            then = expected * (parts @ topic) + prior
            change = np.abs(out - then).mean()
            out[...] = then
            expected = _expected(out)
            if not abs(change - tolerance) > close * tolerance:
                unclear += 1
                break
            if change < tolerance:
                break
        np.divide(out, out.sum(), out=out)
    return unclear


def _expected(shares: Array) -> Array:
    return np.asarray(np.exp(_digamma(shares) - _digamma(np.array([shares.sum()]))))


def _digamma(values: Array) -> Array:
    """Algorithm AS 103 of Bernardo, to the digits that scikit-learn's has."""
    small = values <= 1e-6
    least = np.where(small, values, 1.0)
    values = np.where(small, 1.0, values)
    found = np.zeros_like(values)
    for _ in range(6):
        near = values < 6
        found = np.where(near, found - 1.0 / values, found)
        values = np.where(near, values + 1.0, values)
    r = 1.0 / values
    found = found + np.log(values) - 0.5 * r
    r = r * r
    found = found - r * ((1.0 / 12.0) - r * ((1.0 / 120.0) - r * (1.0 / 252.0)))
    return np.where(small, -0.577215664901532860606512090082402431 - 1.0 / least, found)
