"""Networks trained with their grid in the loop, by the straight-through estimator.

The weights that are trained are not rounded; what they are rounded to gives the outputs, and the
gradient passes the rounding as if it were not there (Bengio, Leonard and Courville, arXiv
1308.3432). The targets may be labels, or what another network answers (distillation). Nothing is
random but the order of the rows, which has a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.kernels.linear.layers import ACTIVATIONS

Matrix = NDArray[np.float64]

_RATE: Final = 1e-3
_DECAYS: Final = (0.9, 0.999)
_SLOPES: Final[dict[str, Callable[[Matrix], Matrix]]] = {
    "identity": np.ones_like,
    "relu": lambda out: (out > 0).astype(np.float64),
    "tanh": lambda out: 1 - out**2,
    "logistic": lambda out: out * (1 - out),
}


@dataclass(frozen=True, slots=True)
class LayerGrid:
    """The grid of one layer's weights.

    Attributes
    ----------
    scale : ndarray, shape (k,), or None
        The value of code 1 per output; None: the layer is neither rounded nor trained.
    top : int
        The largest code.
    """

    scale: Matrix | None
    top: int = 0

    def nearest(self, weights: Matrix) -> Matrix:
        """The weights (d, k) on the grid."""
        if self.scale is None:
            return weights
        return np.clip(np.rint(weights / self.scale), -self.top, self.top) * self.scale


def train_on_grid(
    weights: Sequence[Matrix],
    biases: Sequence[Matrix],
    grids: Sequence[LayerGrid],
    rows: Matrix,
    targets: Matrix,
    *,
    hidden: str,
    output: str,
    epochs: int = 20,
    batch: int = 64,
    seed: int = 0,
    rates: tuple[Matrix | float, Matrix | float] | None = None,
) -> tuple[list[Matrix], list[Matrix]]:
    """Return weights on their grids, and biases, with which the outputs come nearer to the targets.

    Parameters
    ----------
    weights, biases : sequence of ndarray, shapes (d, k) and (k,)
        Where training starts; they are not changed.
    grids : sequence of LayerGrid
    rows : shape (n, d)
    targets : shape (n, outputs)
        Probabilities for `softmax` and `logistic` outputs, numbers for `identity`.
    hidden, output : str
        Activations. The loss is the cross-entropy, or half the squared error.
    epochs, batch, seed : int
    rates : (float or ndarray, float or ndarray), optional
        How far an update moves a weight and a bias.

    Returns
    -------
    weights, biases : list of ndarray
        Of the epoch with the least loss on all rows, the start among them: never worse than it.
    """
    latent = [np.array(each, dtype=np.float64) for each in weights]
    shifts = [np.array(each, dtype=np.float64) for each in biases]
    for_weights, for_biases = rates or (_RATE, _RATE)
    steps = [_Adam(rate) for _ in latent for rate in (for_weights, for_biases)]
    order = np.random.default_rng(seed)

    def rounded() -> list[Matrix]:
        return [grid.nearest(each) for grid, each in zip(grids, latent, strict=True)]

    def loss() -> float:
        given = _forward(rows, rounded(), shifts, hidden, output)[-1]
        return _loss(given, targets, output)

    best, kept = loss(), (rounded(), [each.copy() for each in shifts])
    for _ in range(epochs):
        places = order.permutation(len(rows))
        for start in range(0, len(rows), batch):
            at = places[start : start + batch]
            used = rounded()
            outs = _forward(rows[at], used, shifts, hidden, output)
            delta = (outs[-1] - targets[at]) / len(at)
            for number in reversed(range(len(latent))):
                given = outs[number]
                slope, shift = given.T @ delta, delta.sum(axis=0)
                if number:
                    delta = (delta @ used[number].T) * _SLOPES[hidden](given)
                if grids[number].scale is not None:
                    latent[number] -= steps[2 * number].step(slope)
                shifts[number] -= steps[2 * number + 1].step(shift)
        now = loss()
        if now < best:
            best, kept = now, (rounded(), [each.copy() for each in shifts])
    return kept


def _forward(
    rows: Matrix, weights: Sequence[Matrix], biases: Sequence[Matrix], hidden: str, output: str
) -> list[Matrix]:
    """The rows, and the outputs of each layer."""
    outs = [np.asarray(rows, dtype=np.float64)]
    last = len(weights) - 1
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        name = hidden if number < last else output
        outs.append(ACTIVATIONS[name](outs[-1] @ weight + bias))
    return outs


def _loss(given: Matrix, targets: Matrix, output: str) -> float:
    if output == "identity":
        return float(np.square(given - targets).mean() / 2)
    small = 1e-12
    found = -(targets * np.log(given + small)).sum(axis=1)
    if output == "logistic":
        found -= ((1 - targets) * np.log(1 - given + small)).sum(axis=1)
    return float(found.mean())


@dataclass(slots=True)
class _Adam:
    """The moments of one array (Kingma and Ba, arXiv 1412.6980)."""

    rate: Matrix | float = _RATE
    first: Matrix | float = 0.0
    second: Matrix | float = 0.0
    count: int = 0

    def step(self, slope: Matrix) -> Matrix:
        self.count += 1
        self.first = _DECAYS[0] * self.first + (1 - _DECAYS[0]) * slope
        self.second = _DECAYS[1] * self.second + (1 - _DECAYS[1]) * slope**2
        first = self.first / (1 - _DECAYS[0] ** self.count)
        second = self.second / (1 - _DECAYS[1] ** self.count)
        return np.asarray(self.rate * first / (np.sqrt(second) + 1e-8))
