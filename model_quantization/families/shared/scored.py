"""Models whose every answer follows from linear scores of the rows.

A linear model is one linear map and what its methods make of the scores. A model over several of
those (one for each class, fold or target) is the maps side by side and what it makes of all scores
together: it is scored in one pass over the rows or documents, however many maps there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Lowered, Method
from model_quantization.kernels.linear.linear import (
    fold_affine,
    is_usable,
    kernel_operands,
    linear_rows,
    linear_scores,
    suits_kernel,
)

if TYPE_CHECKING:
    from model_quantization.kernels.linear.stored_codes import StoredCodes
    from model_quantization.kernels.text.term_weights import TermWeights

Scores: TypeAlias = Sequence[Array]
Kernel: TypeAlias = Literal["row_scores", "row_softmax", "row_one_vs_rest", "row_winners"]


@dataclass(frozen=True, slots=True)
class LinearMap:
    """`rows @ weights + bias`.

    Attributes
    ----------
    weights : callable
        Gives the weights, (n_features,) or (n_features, n_outputs); the scores of the former have
        one dimension. Behind text the codes are enough, and the weights, eight times as large,
        are never made.
    codes : StoredCodes or None
        The stored codes, (n_features,) or (n_outputs, n_features), and their scales.
    bias : ndarray of shape (n_outputs,) or float
    """

    weights: Callable[[], Any]
    codes: StoredCodes | None
    bias: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_features,) or (n_features, n_outputs)."""
        shape: tuple[int, ...] = (self.codes or self.weights().T).shape[::-1]
        return shape

    @property
    def n_outputs(self) -> int:
        """Columns of scores."""
        return 1 if len(self.shape) == 1 else self.shape[1]


@dataclass(frozen=True, slots=True)
class Answer:
    """How scores become one method's answer.

    Attributes
    ----------
    of_scores : callable
        The answer from the scores of every map, in their order.
    kernel, finish
        The short way of a single map: what this kernel of `linear_rows` gives is finished.
    """

    of_scores: Callable[[Scores], Any]
    kernel: Kernel = "row_scores"
    finish: Callable[[Array], Any] | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """Linear maps of the same rows, and the answers that their scores give.

    Attributes
    ----------
    maps : tuple of LinearMap
    answers : mapping of str to Answer
        By method name.
    exact : bool
        Whether every answer must have scikit-learn's bits.
    names : tuple of str
        Paths of the components that this answers for.
    """

    maps: tuple[LinearMap, ...]
    answers: Mapping[str, Answer]
    exact: bool
    names: tuple[str, ...]

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return self.maps[0].shape[0]

    def lowered(self) -> Lowered:
        """The predictor of rows; a scaler or text before it can be taken in."""
        methods = {name: self._of_rows(answer) for name, answer in self.answers.items()}
        return Lowered(
            methods,
            n_features=self.n_features,
            absorb=self._absorb,
            names=self.names,
            scored=self,
        )

    def _absorb(self, previous: Lowered) -> Lowered | None:
        if previous.text is not None:
            return self._behind_text(previous)
        if self.exact or previous.affine is None:
            return None  # folding a scaler in changes the last bits
        names = previous.names + self.names
        maps = tuple(_folded(one, previous.affine) for one in self.maps)
        return replace(replace(self, maps=maps, names=names).lowered(), absorb=None)

    # From rows --------------------------------------------------------------------------

    def _of_rows(self, answer: Answer) -> Method:
        if self.exact:
            return self._by_blas(answer)
        return self._compiled(answer)

    def _by_blas(self, answer: Answer) -> Method:
        def call(rows: Array) -> Any:
            scores = [linear_scores(rows, one.weights(), one.bias) for one in self.maps]
            # A NaN or infinity in a row reaches every score of the row (also through a zero
            # weight): the sum of the few scores tells as much as a look at the many inputs.
            finite = all(isfinite(np.add.reduce(part, axis=None)) for part in scores)
            return answer.of_scores(scores) if finite else None

        return call

    def _compiled(self, answer: Answer) -> Method:
        """One compiled call for all maps, where that is the quicker way."""
        kernel: Callable[..., Array] = getattr(linear_rows(), answer.kernel)
        operands = cache(lambda: _stacked_operands(self.maps))
        by_blas = self._by_blas(answer)
        finish = answer.finish or (lambda found: answer.of_scores(self._split(found)))

        def call(rows: Array) -> Any:
            weights, bias = operands()
            if suits_kernel(rows, weights):
                found = kernel(rows, weights, bias)
                return finish(found) if is_usable(found) else None
            return by_blas(rows)

        return call

    def _split(self, scores: Array) -> list[Array]:
        parts, start = [], 0
        for one in self.maps:
            part = scores[:, start : start + one.n_outputs]
            parts.append(part.reshape(-1) if len(one.shape) == 1 else np.ascontiguousarray(part))
            start += one.n_outputs
        return parts

    # From documents ---------------------------------------------------------------------

    def _behind_text(self, previous: Lowered) -> Lowered | None:
        """The predictor from documents to answers; its scores have the sparse product's bits."""
        step = previous.text
        if step is None or step.n_columns != self.n_features:
            return None
        score = step.scorer(_by_term(self.maps))
        if score is None:
            return None
        ends = np.cumsum([one.n_outputs for one in self.maps]).tolist()
        # Nothing here holds on to the maps: the scorer has their weights in a form of its own.
        cuts = [
            (start, end, one.bias, len(one.shape) == 1)
            for start, end, one in zip([0, *ends[:-1]], ends, self.maps, strict=True)
        ]

        def parts(scores: Array) -> Iterator[Array]:
            for start, end, bias, is_flat in cuts:
                part = scores[:, start:end] + bias
                yield part.reshape(-1) if is_flat else part

        def method(answer: Answer) -> Method:
            def call(documents: Any, n_jobs: int | None = None) -> Any:
                found = score(documents, n_jobs)
                return None if found is None else answer.of_scores(list(parts(found)))

            return call

        methods = {name: method(answer) for name, answer in self.answers.items()}
        return Lowered(methods, input=previous.input, names=previous.names + self.names)


def _folded(one: LinearMap, affine: tuple[Array, Array]) -> LinearMap:
    weights, bias = fold_affine(one.weights(), one.bias, *affine)
    return LinearMap(lambda: weights, None, bias)


def _stacked_operands(maps: Sequence[LinearMap]) -> tuple[Array, Array]:
    """Weights and bias of all maps, as `linear_rows` takes them."""
    operands = [kernel_operands(one.weights(), one.bias) for one in maps]
    if len(operands) == 1:
        return operands[0]
    weights, biases = zip(*operands, strict=True)
    return np.concatenate(weights), np.concatenate(biases)


def _by_term(maps: Sequence[LinearMap]) -> TermWeights:
    """The weights of all maps side by side, as text takes them."""
    from model_quantization.kernels.text.term_weights import hold_codes, hold_weights

    if len(maps) == 1 and maps[0].codes is not None:
        return hold_codes(maps[0].codes)
    if all(one.codes for one in maps):
        coded = [one.codes for one in maps if one.codes]
        held = [np.atleast_2d(codes.dense()) for codes in coded]
        scales = [np.broadcast_to(codes.scale, codes.n_outputs) for codes in coded]
        return hold_weights(np.concatenate(held).T, np.concatenate(scales))
    held = [np.atleast_2d(one.weights().T) for one in maps]
    return hold_weights(_joined(held).T)


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
