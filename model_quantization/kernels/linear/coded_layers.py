"""Networks whose weights are codes of a byte, without ever making numbers of the codes.

The inputs of each layer are rounded to whole numbers of a step of their own row's, and multiplied
with the codes in whole numbers, which rounds nothing. Sixteen bits of an input cost no more than
eight would: the instructions that multiply bytes add up pairs of products in sixteen bits, which
have to be widened again. So the step is small, and how far a score can be off because of it is
known and small as well (`layer_bounds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.arrays import aligned
from model_quantization.kernels.compiled import kernel
from model_quantization.values import Value

PANEL: Final = 16
BLOCK: Final = 24
MOST_BITS: Final = 15
_LARGEST_SUM: Final = 2**31 - 1
_TINY: Final = 2.0**-100
NO_WINNERS: Final = np.empty(0, dtype=np.int64)


class CodedLayers(Value, frozen=True):
    """Layers as `fill_coded_layers` takes them.

    Attributes
    ----------
    shapes : int64 array of shape (n_layers, 3)
        Inputs, outputs, and the bits of an input without its sign.
    codes : int8 array
    outer : dict
        By the type of the sums: scales and biases, of shape (2, n).
    widest, n_outputs : int
        Of the layers in whole panels; of the last layer.
    """

    shapes: Array
    codes: Array
    outer: dict[str, Array]
    widest: int
    n_outputs: int

    @classmethod
    def of(
        cls, codes: Sequence[Array], scales: Sequence[Array], biases: Sequence[Array]
    ) -> CodedLayers | None:
        """Lay out layers; None where their sums fit no 32 bits, or a number is not finite.

        Parameters
        ----------
        codes : sequence of int8 array of shape (n_in, n_out)
        scales, biases : sequence of ndarray of shape (n_out,)
        """
        shapes, packed = [], []
        columns: tuple[list[Array], list[Array]] = ([], [])
        for layer, scale, bias in zip(codes, scales, biases, strict=True):
            n_in, n_out = layer.shape
            sums = np.abs(layer.astype(np.int64)).sum(axis=0)
            bits = int(_LARGEST_SUM // max(int(sums.max()), 1) + 1).bit_length() - 1
            if bits < 8 or not (np.isfinite(scale).all() and np.isfinite(bias).all()):
                return None
            shapes.append((n_in, n_out, min(bits, MOST_BITS)))
            padded = np.zeros((n_in + n_in % 2, _whole_panels(n_out)), dtype=np.int8)
            padded[:n_in, :n_out] = layer
            pairs = padded.reshape(len(padded) // 2, 2, -1, PANEL)
            packed.append(pairs.transpose(2, 0, 3, 1).ravel())
            for kept, values in zip(columns, (scale, bias), strict=True):
                column = np.zeros(_whole_panels(n_out))
                column[:n_out] = values
                kept.append(column)
        outer = np.stack([np.concatenate(each) for each in columns])
        with np.errstate(over="ignore"):
            short = outer.astype(np.float32)
        if not np.isfinite(short).all():
            return None
        return cls(
            np.array(shapes, dtype=np.int64),
            aligned(np.concatenate(packed)),
            {"f": short, "d": outer},
            max(_whole_panels(max(n_in, n_out)) for n_in, n_out, _ in shapes),
            shapes[-1][1],
        )

    def limits(self, type_of_sums: str) -> list[int]:
        """The largest whole number of each layer's inputs."""
        bits = self.shapes[:, 2].tolist()
        return [((1 << each) - 1) << (each if type_of_sums == "d" else 0) for each in bits]

    def scores(
        self,
        rows: Array,
        affine: Array,
        doubts: Array,
        *,
        cut: int,
        type_of_sums: str,
        winners: Array = NO_WINNERS,
    ) -> tuple[Array, Array, int]:
        """Return scores, how far each row's can be off, and how many of the winners are in doubt.

        Parameters
        ----------
        rows : float32 or float64 array of shape (n, n_features), C-contiguous
        affine : float64 array of shape (2, n_features)
            What a row is multiplied with, and what is added, before the first layer.
        doubts : float64 array of shape (n_layers + 2,)
            `layer_bounds.bounds_of_codes`.
        cut : int
            How many layers there are whose negative outputs become zero: the first ones.
        type_of_sums : {"f", "d"}
            `f`: inputs have 16 bits. `d`: 32, at twice the price.
        winners : int64 array of shape (n,), optional
            Filled as `fill_coded_layers` says.
        """
        count = len(rows)
        block = BLOCK if count > BLOCK else count
        planes = np.empty((2 * block if type_of_sums == "d" else block, self.widest), np.int16)
        values = np.empty((block, self.widest), type_of_sums)
        scores, slack = np.empty((count, self.n_outputs)), np.empty(count)
        unclear = fill_coded_layers(
            rows, affine, self.shapes, self.codes, self.outer[type_of_sums], doubts, cut,
            planes, values, scores, slack, winners,
        )  # fmt: skip
        return scores, slack, unclear


def _whole_panels(outputs: int) -> int:
    return -(-outputs // PANEL) * PANEL


@kernel
def fill_coded_layers(
    rows: Array,
    affine: Array,
    layers: Array,
    codes: Array,
    outer: Array,
    doubts: Array,
    cut: int,
    planes: Array,
    values: Array,
    scores: Array,
    slack: Array,
    winners: Array,
) -> int:
    """Fill `scores` and `slack`, and `winners` where there are any.

    Parameters
    ----------
    rows : float32 or float64, shape (n, n_features)
    affine : float64, shape (2, n_features)
        Scales and shifts of the rows.
    layers : int64, shape (n_layers, 3)
        Inputs, outputs and bits of each layer.
    codes : int8
        For each layer, for each 16 outputs, for each two inputs: the codes of the first input and
        of the second, output by output. What is missing to whole ones is zero.
    outer : float32 or float64, shape (2, n)
        Scales and biases of all outputs, in groups of 16. Where they are float32, inputs are whole
        numbers of as many bits as `layers` says; where float64, of twice as many.
    doubts : float64, shape (n_layers + 2,)
        The slack of every row; for each unit of the largest input and its shift; for each unit of
        the step of each layer.
    cut : int
        How many layers there are whose negative outputs become zero: the first ones.
    planes, values : int16, shape (block or 2 * block, n); the type of `outer`, (block, n)
        Room to work in, for as many rows as go through all layers together.
    scores : float64, shape (n, n_outputs)
    slack : float64, shape (n,)
        By how much a score, or the difference of two of them, can be off.
    winners : int64, shape (n,) or (0,)
        The largest score, or whether a single one is positive; -1 where that is in doubt.

    Returns
    -------
    int
        How many winners are in doubt.
    """
    work: Any = outer.dtype.type
    twice = outer.dtype.char == "d"
    with np.errstate(all="ignore"):
        scaled, shift = rows.astype(np.float64) * affine[0], affine[1]
        found = (scaled + shift).astype(work)
        reach = (np.abs(scaled) + np.abs(shift)).max(axis=1)
        reach[~np.isfinite(scaled + shift).all(axis=1)] = np.nan
        slack[...] = doubts[0] + reach * doubts[1]
        code, column = 0, 0
        for at, (n_in, n_out, bits) in enumerate(layers.tolist()):
            most = np.abs(found).max(axis=1)
            limit = work(((1 << bits) - 1) << (bits if twice else 0))
            small = ~(most >= work(_TINY))
            inverse = np.where(small, work(0), limit / most)
            steps = np.where(small, work(2) * most, most / limit).astype(np.float64)
            slack += steps * doubts[2 + at]
            whole = np.rint(found * inverse[:, np.newaxis]).astype(np.float64)
            width = _whole_panels(n_out)
            size = width * (n_in + n_in % 2)
            pairs = codes[code : code + size].reshape(width // PANEL, -1, PANEL, 2)
            matrix = pairs.transpose(1, 3, 0, 2).reshape(-1, width)[:n_in, :n_out]
            sums = (np.nan_to_num(whole) @ matrix.astype(np.float64)).astype(work)
            scale, bias = outer[:, column : column + n_out]
            found = sums * steps.astype(work)[:, np.newaxis] * scale + bias
            if at < cut:
                found = np.maximum(found, work(0))
            code, column = code + size, column + width
        scores[...] = found
        if not winners.size:
            return 0
        if scores.shape[1] == 1:
            winners[...] = scores[:, 0] > 0.0
            margins = np.abs(scores[:, 0])
        else:
            winners[...] = scores.argmax(axis=1)
            rest = scores.copy()
            np.put_along_axis(rest, winners[:, np.newaxis], -np.inf, axis=1)
            margins = scores.max(axis=1) - rest.max(axis=1)
            margins[~np.isfinite(scores).all(axis=1)] = np.nan
        clear = np.asarray(margins > slack)
        winners[~clear] = -1
        return int(np.count_nonzero(~clear))
