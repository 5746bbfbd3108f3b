"""A network of rounded weights, answered in short numbers where it is known how far that is off.

Labels are those of the restored estimator: where the bound of an answer leaves a label open, its
row is done again with longer numbers, at last in float64, and a tie there is left to the restored
estimator. Probabilities and numbers are within a part of what a fast predictor may be off by.

The numbers are codes of a byte times whole numbers where the weights are stored so (`CodedLayers`:
16 bits for labels, 32 for probabilities and numbers), otherwise float32 for the labels of all but
small networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.linear.clear_winners import fill_clear_winners
from model_quantization.kernels.linear.coded_layers import NO_WINNERS, CodedLayers
from model_quantization.kernels.linear.layer_bounds import (
    DOUBLE,
    SINGLE,
    STEEPNESS,
    LayerNorms,
    bounds_of_codes,
    bounds_of_floats,
    norms_of,
)
from model_quantization.kernels.linear.layers import forward
from model_quantization.kernels.linear.likelihoods import fill_likelihoods
from model_quantization.kernels.linear.linear import fold_affine
from model_quantization.locks import cached_property

_TOLERANCE: Final = (
    2.5e-7  # of the largest number: a quarter of what a fast predictor may be off by
)
FEWEST_ROWS: Final = 32  # for which float32 is sooner done, bounds included
_FEWEST_WEIGHTS: Final = 8_192  # for which float32 is worth a second set of weights
_BLOCK: Final = 256  # rows whose hidden layers stay in the cache
_Forward = Callable[[Array, Sequence[Array], Sequence[Array]], Array]


class Network:
    """The layers of a network whose weights were rounded.

    Parameters
    ----------
    weights : callable
        Gives the weights, float64 of shape (n_in, n_out); they are asked for when they are needed.
    biases : sequence of ndarray
    codes : sequence of (codes, scale) or None
        What the weights were made from, as `Component.column_codes` has it.
    hidden : str
        Activation of the hidden layers.
    affine : float64 array of shape (2, n_features), optional
        Scales and shifts of the rows before the first layer.
    """

    def __init__(
        self,
        weights: Callable[[], Sequence[Array]],
        biases: Sequence[Array],
        codes: Sequence[tuple[Array, Array] | None],
        hidden: str,
        affine: Array | None = None,
    ) -> None:
        self._given_weights = weights
        self._biases = [np.asarray(bias, dtype=np.float64) for bias in biases]
        self._given_codes = codes
        self._hidden = hidden
        self._cut = len(self._biases) - 1 if hidden == "relu" else 0
        self._given_affine = affine

    @property
    def is_scaled(self) -> bool:
        """Whether a scaler stands before it: the bounds know of one."""
        return self._given_affine is not None

    def behind(self, scale: Array, shift: Array) -> Network:
        """Return the network with a scaler before it."""
        affine = np.stack([scale, shift]).astype(np.float64)
        return Network(self._given_weights, self._biases, self._given_codes, self._hidden, affine)

    @cached_property
    def coded(self) -> CodedLayers | None:
        """The layers as codes; None where they are stored or activated in another way.

        The last one may be missing: a layer of few weights is not rounded.
        """
        known = [each for each in self._given_codes if each is not None]
        if self._hidden not in ("relu", "identity") or not known:
            return None
        if known != [*self._given_codes[: len(known)]] or len(known) < len(self._biases) - 1:
            return None
        codes, scales = zip(*known, strict=True)
        return CodedLayers.of(codes, scales, self._biases[: len(known)])

    @cached_property
    def _last(self) -> Array | None:
        """The weights of the last layer, where it has no codes."""
        assert self.coded is not None
        return None if len(self.coded.shapes) == len(self._biases) else self._given_weights()[-1]

    @cached_property
    def _norms(self) -> tuple[LayerNorms, ...]:
        if self.coded is None:
            return norms_of(self._given_weights(), self._biases)
        weights = [codes * scale for codes, scale in filter(None, self._given_codes)]
        if self._last is not None:
            weights.append(self._last)
        return norms_of(weights, self._biases)

    @cached_property
    def _affine(self) -> Array:
        if self._given_affine is not None:
            return self._given_affine
        width = self._norms[0].inputs
        return np.stack([np.ones(width), np.zeros(width)])

    @cached_property
    def _doubts(self) -> dict[tuple[str, str], Array]:
        """Bounds of the coded layers, by the type of the sums and that of the rows."""
        assert self.coded is not None
        found = {}
        for sums, unit in (("f", SINGLE), ("d", DOUBLE)):
            for rows in "fd":
                found[sums, rows] = bounds_of_codes(
                    self._norms[: len(self.coded.shapes)],
                    self._hidden,
                    self.coded.limits(sums),
                    unit,
                    self._given_by(rows),
                )
        return found

    def _given_by(self, type_of_rows: str) -> float:
        """What the original rounds rows by: a scaler gives float32 for float32."""
        scaled = self._given_affine is not None
        return SINGLE if scaled and type_of_rows == "f" else DOUBLE

    def labels(self, rows: Array) -> Array | None:
        """Return the index of each row's winner, of a single score whether it is above zero.

        None where the restored estimator must decide.
        """
        if self.coded is None:
            return self._labels_of_floats(rows)
        winners = np.empty(len(rows), dtype=np.int64)
        if not self._coded_scores(rows, "f", winners)[2]:
            return winners
        chosen = np.flatnonzero(winners < 0)
        some = rows[chosen]
        if not _is_finite(some):
            return None
        again = np.empty(len(some), dtype=np.int64)
        if self._coded_scores(some, "d", again)[2]:
            left = np.flatnonzero(again < 0)
            found = self._labels_in(np.float64, some[left])
            if found is None:
                return None
            again[left] = found
        winners[chosen] = again
        return winners

    def likelihoods(self, rows: Array) -> Array | None:
        """Return the softmax of the scores, of a single score that of zero and the score."""
        if self.coded is None:
            return None
        scores, slack, _ = self._coded_scores(rows, "d", bounded_for="d")
        if scores.shape[1] == 1:
            scores = _with_zero(scores)
        doubtful = np.empty(len(rows), dtype=np.uint8)
        if fill_likelihoods(scores, slack, _TOLERANCE, doubtful):
            chosen = np.flatnonzero(doubtful)
            some = rows[chosen]
            if not _is_finite(some):
                return None
            exact = self.in_float64(some)
            if exact.shape[1] == 1:
                exact = _with_zero(exact)
            fill_likelihoods(exact, np.zeros(len(exact)), 1.0, doubtful[: len(exact)])
            scores[chosen] = exact
        return scores

    def numbers(self, rows: Array) -> Array | None:
        """Return the scores themselves, (n, n_outputs)."""
        if self.coded is None:
            return None
        scores, slack, _ = self._coded_scores(rows, "d", bounded_for="d")
        near = slack <= _TOLERANCE * np.abs(scores).max(axis=1)
        if not near.all():
            chosen = np.flatnonzero(~near)
            some = rows[chosen]
            if not _is_finite(some):
                return None
            scores[chosen] = self.in_float64(some)
        return scores

    def in_float64(self, rows: Array) -> Array:
        """Return the scores of float64 weights."""
        weights, biases = self._in(np.float64)
        return forward(rows, weights, biases, self._hidden, "identity")

    def _coded_scores(
        self, rows: Array, sums: str, winners: Array | None = None, bounded_for: str = ""
    ) -> tuple[Array, Array, int]:
        """Scores, their bounds, and how many of the winners are in doubt, which are -1 then."""
        coded, last = self.coded, self._last
        assert coded is not None
        if not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows)
        doubts = self._doubts[sums, bounded_for or rows.dtype.char]
        asked = NO_WINNERS if winners is None or last is not None else winners
        found = coded.scores(
            rows, self._affine, doubts, cut=self._cut, type_of_sums=sums, winners=asked
        )
        if last is None:
            return found
        inputs, slack, _ = found
        norms = self._norms[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            scores = inputs @ last
            scores += self._biases[-1]
            lengths = np.sqrt(np.einsum("ij,ij->i", inputs, inputs))
            slack *= norms.stretch
            slack += (norms.inputs + 8) * 4.0 * DOUBLE * (lengths * norms.size + norms.bias)
        return scores, slack, 0 if winners is None else _decide(scores, slack, winners)

    @cached_property
    def suits_floats(self) -> bool:
        """Whether labels are found in float32 sooner than in float64, and how far is known."""
        weights = self._given_weights()
        return (
            self._hidden in STEEPNESS
            and sum(weight.size for weight in weights) >= _FEWEST_WEIGHTS
            and all(weight.dtype == np.float64 for weight in weights)
            and all(isfinite(float(np.abs(weight).max())) for weight in weights)
            and all(isfinite(float(np.abs(bias).max())) for bias in self._biases)
        )

    def _labels_of_floats(self, rows: Array) -> Array | None:
        if not _is_finite(rows):
            return None
        winners = np.empty(len(rows), dtype=np.int64)
        doubtful = []
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            found, unclear = self._winners_in(np.float32, block)
            winners[start : start + _BLOCK] = found
            doubtful += (start + unclear).tolist()
        if doubtful:
            found64 = self._labels_in(np.float64, rows[doubtful])
            if found64 is None:
                return None
            winners[doubtful] = found64
        return winners

    def _labels_in(self, dtype: Any, rows: Array) -> Array | None:
        winners, unclear = self._winners_in(dtype, rows)
        return None if len(unclear) else winners

    def _winners_in(self, dtype: Any, rows: Array) -> tuple[Array, Array]:
        """The winners of scores of a type, and the places of those that are in doubt."""
        weights, biases = self._in(dtype)
        fixed, growing = self._bounds[np.dtype(dtype).char, rows.dtype.char]
        scaled = rows if self._given_affine is None else rows * self._affine[0]
        slack = np.sqrt(np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64))
        slack += float(np.linalg.norm(self._affine[1]))  # no sum is longer than its parts together
        slack *= growing
        slack += fixed
        with np.errstate(over="ignore", invalid="ignore"):
            scores = forward(
                rows.astype(dtype, copy=False), weights, biases, self._hidden, "identity"
            ).astype(np.float64, copy=False)
        winners = np.empty(len(rows), dtype=np.int64)
        unclear = _decide(scores, slack, winners)
        return winners, np.flatnonzero(winners < 0) if unclear else winners[:0]

    @cached_property
    def _bounds(self) -> dict[tuple[str, str], tuple[float, float]]:
        return {
            (own, rows): bounds_of_floats(self._norms, self._hidden, unit, self._given_by(rows))
            for own, unit in (("f", SINGLE), ("d", DOUBLE))
            for rows in "fd"
        }

    def _in(self, dtype: Any) -> tuple[list[Array], list[Array]]:
        return self._singles if dtype is np.float32 else self._doubles

    @cached_property
    def _doubles(self) -> tuple[list[Array], list[Array]]:
        weights, biases = list(self._given_weights()), list(self._biases)
        if self._given_affine is not None:
            weights[0], biases[0] = fold_affine(weights[0], biases[0], *self._given_affine)
        return weights, biases

    @cached_property
    def _singles(self) -> tuple[list[Array], list[Array]]:
        weights, biases = self._doubles
        with np.errstate(over="ignore"):
            return (
                [weight.astype(np.float32) for weight in weights],
                [bias.astype(np.float32) for bias in biases],
            )


def _decide(scores: Array, slack: Array, winners: Array) -> int:
    """Fill in winners, -1 for those in doubt; how many these are."""
    if scores.shape[1] == 1:
        scores = _with_zero(scores)
    unclear = fill_clear_winners(scores, slack, winners)
    if unclear:
        ordered = np.sort(scores, axis=1)
        with np.errstate(invalid="ignore"):
            winners[~(ordered[:, -1] - ordered[:, -2] > slack)] = -1
    return unclear


def _with_zero(score: Array) -> Array:
    """A single column of scores as two, of which the first is zero."""
    both = np.zeros((len(score), 2))
    both[:, 1] = score[:, 0]
    return both


def _is_finite(rows: Array) -> bool:
    # Unlike other sums, this one neither raises nor warns of an infinity.
    return isfinite(np.vdot(rows, rows))
