"""The nearest of some centres, where no rounding can have chosen it.

Of two centres the one is nearer whose `2 row . centre - centre . centre` is larger: what is left of
the squared distance without the row's own square, and so a linear map. scikit-learn works distances
out in other orders; an order moves a squared distance by at most
`(n_features + 4) * eps * (|row| + |centre|) ** 2` (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1). A centre that is nearer by more than that is the nearest in any order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.compiled import kernel
from model_quantization.kernels.linear.clear_winners import clear_by_formula, fill_clear_winners
from model_quantization.kernels.linear.linear import suits_kernel
from model_quantization.values import Value

_SCORES = 1 << 16  # at a time: half a megabyte of them
_FEWEST_ROWS = 32  # fewer make a product slow
_SHARE = 8.0  # of the bound above, for both ways of two distances


class NearestCentre(Value, frozen=True):
    """Centres as a linear map, and by how much one must be nearer than the others.

    Attributes
    ----------
    weights : float64 array of shape (n_centres, n_features)
    bias : float64 array of shape (n_centres,)
    reach : float
        The length of the longest centre.
    unit : float
        The slack of a row is `unit * (|row| + reach) ** 2`.
    """

    weights: Array
    bias: Array
    reach: float
    unit: float

    @classmethod
    def of(cls, centres: Array, ahead: Array | float = 0.0) -> NearestCentre:
        """For centres, (n_centres, n_features).

        Parameters
        ----------
        centres : ndarray
        ahead : ndarray of shape (n_centres,), optional
            By how much each centre's squared distance counts as less.
        """
        centres = np.ascontiguousarray(centres, dtype=np.float64)
        squares = squared_lengths(centres)
        advance = np.broadcast_to(np.asarray(ahead, dtype=np.float64), squares.shape)
        reach = np.sqrt(squares.max() + np.abs(advance).max())
        unit = _SHARE * (centres.shape[1] + 4) * np.finfo(np.float64).eps
        return cls(2.0 * centres, advance - squares, float(reach), float(unit))

    def winners(self, rows: Array) -> Array | None:
        """The index of the nearest centre of each row; None where rounding may have chosen one.

        Also None where a number is not finite.
        """
        if not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        if suits_kernel(rows, self.weights):
            scores = np.empty((len(rows), len(self.weights)))
            found = np.empty(len(rows), dtype=np.int64)
            unclear = fill_nearest(
                rows, self.weights, self.bias, self.reach, self.unit, scores, found
            )
            return None if unclear else found
        return self._winners_in_blocks(rows.astype(np.float64, copy=False))

    def _winners_in_blocks(self, rows: Array) -> Array | None:
        """The same by products of matrices, as many rows at a time as stay in the cache."""
        found = np.empty(len(rows), dtype=np.int64)
        size = min(len(rows), max(_FEWEST_ROWS, _SCORES // len(self.weights)))
        room = np.empty((size, len(self.weights)))
        with np.errstate(all="ignore"):
            far = np.sqrt(squared_lengths(rows)) + self.reach
            slack = self.unit * far * far
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                scores = room[: len(rows[part])]
                np.matmul(rows[part], self.weights.T, out=scores)
                scores += self.bias
                if fill_clear_winners(scores, slack[part], found[part]):
                    return None
        return found


def distances_to(centres: Array) -> Callable[[Array], Array]:
    """A function of rows to their distances from each centre, with scikit-learn's bits."""
    squares = squared_lengths(centres)[np.newaxis, :]

    def distances(rows: Array) -> Array:
        rows = rows.astype(np.float64, copy=False)
        found = -2 * (rows @ centres.T)
        found += squared_lengths(rows)[:, np.newaxis]
        found += squares
        np.maximum(found, 0, out=found)
        return np.asarray(np.sqrt(found, out=found))

    return distances


@kernel
def fill_nearest(
    rows: Array,
    weights: Array,
    bias: Array,
    reach: float,
    unit: float,
    scores: Array,
    winners: Array,
) -> int:
    """Fill `winners` with the largest of the `scores` of each row; how many are not clear.

    Clear is a score that is larger than all others by `unit * (|row| + reach) ** 2`.
    """
    wide = rows.astype(np.float64, copy=False)
    scores[...] = wide @ weights.T + bias
    far = np.sqrt(squared_lengths(wide)) + reach
    return clear_by_formula(scores, unit * far * far, winners)
