"""Weights of one layer rounded together: the error of each is spread over those still to come."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

DAMPING: Final = 0.01


def round_together(weights: Matrix, rows: Matrix, scale: Matrix, top: int) -> NDArray[np.float64]:
    """Return the code of each weight, whole numbers from -top to top.

    Inputs are rounded one after the other. The weights of later inputs compensate the error of
    each, as far as the rows allow: the update of the optimal brain surgeon with the inverse of the
    rows' second moments (Hassibi and Stork, NIPS 1992; Frantar et al., arXiv 2210.17323).

    Parameters
    ----------
    weights : shape (d, k)
        Inputs by outputs.
    rows : shape (n, d)
        What the layer is given.
    scale : shape (k,)
        What a code of 1 is, for each output.
    top : int
        The largest code.
    """
    gram = rows.T @ rows
    mean = float(np.trace(gram)) / len(gram)
    gram[np.diag_indices_from(gram)] += DAMPING * mean + 1e-12
    upper = np.linalg.cholesky(np.linalg.inv(gram)).T
    left = np.array(weights, dtype=np.float64)
    codes = np.empty_like(left)
    for at in range(len(left)):
        codes[at] = np.clip(np.rint(left[at] / scale), -top, top)
        error = (left[at] - codes[at] * scale) / upper[at, at]
        left[at + 1 :] -= np.outer(upper[at, at + 1 :], error)
    return codes
