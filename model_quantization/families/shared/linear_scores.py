"""The fast predictor of models whose every answer follows from linear scores of the rows.

A linear model is one linear map and what its methods make of the scores. A model over several of
those (one per class, fold or target) has their maps side by side, and makes its answers of all
scores: one pass over the rows or documents gives them, however many maps there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.forms import (
    Affine,
    Answer,
    LinearMap,
    LinearScores,
    Projection,
    Selection,
    text_step,
)
from model_quantization.families.lowered import (
    Deciding,
    Integers,
    Lowered,
    Method,
    Takes,
    behind_text,
)
from model_quantization.kernels.linear.linear import (
    fold_affine,
    is_usable,
    kernel_operands,
    linear_rows,
    linear_scores,
    suits_kernel,
)
from model_quantization.values import Value

if TYPE_CHECKING:
    from model_quantization.kernels.text.steps import Step
    from model_quantization.kernels.text.term_weights import TermWeights


_FEW_NUMBERS = 4096  # of rows: up to here their own sum is found sooner than that of the scores


class ScoredModel(Value, frozen=True):
    """A model that answers from linear scores.

    Attributes
    ----------
    scores : LinearScores
    exact : bool
        Whether every answer must have scikit-learn's bits.
    names : tuple of str
        Paths of the components that this answers for.
    by : str
        How it answers, in a few words.
    classes, decides_by, integers, takes
        As in `Lowered`.
    """

    scores: LinearScores
    exact: bool
    names: tuple[str, ...]
    by: str = "linear scores"
    classes: Array | None = None
    decides_by: Deciding = "decision_function"
    integers: Integers = "float64"
    takes: Takes = "numbers"

    def lowered(self) -> Lowered:
        """The predictor of rows; a scaler or text before it can be taken in."""
        return self._lowered(self.scores, self.by, self.names, self._absorb)

    def _lowered(
        self,
        scores: LinearScores,
        by: str,
        names: tuple[str, ...],
        absorb: Callable[[Lowered], Lowered | None] | None,
    ) -> Lowered:
        of_rows = _by_blas if self.exact else _compiled
        return Lowered(
            {name: of_rows(scores.maps, answer) for name, answer in scores.answers.items()},
            by=by,
            names=names,
            n_features=scores.n_features,
            form=scores,
            absorb=absorb,
            integers=self.integers,
            takes=self.takes,
            classes=self.classes,
            decides_by=self.decides_by,
        )

    def _absorb(self, previous: Lowered) -> Lowered | None:
        step = text_step(previous.form)
        if step is not None:
            return self._behind_text(previous, step)
        form = previous.form
        if self.exact or not isinstance(form, Affine | Projection | Selection):
            return None  # folding a step in changes the last bits
        if isinstance(form, Projection) and form.exact:
            return None
        folded = ScoredModel(
            LinearScores(
                tuple(_folded(one, form) for one in self.scores.maps), self.scores.answers
            ),
            self.exact,
            previous.names + self.names,
            f"{self.by}, {previous.by} folded in",
            self.classes,
            self.decides_by,
            self.integers,
            previous.takes,
        )
        return folded.lowered()

    def _behind_text(self, previous: Lowered, step: Step) -> Lowered | None:
        """The predictor from documents to answers; its scores have the sparse product's bits."""
        scores = self.scores
        if step.n_columns != scores.n_features:
            return None
        score = step.scorer(_by_term(scores.maps))
        if score is None:
            return None
        ends = np.cumsum([one.n_outputs for one in scores.maps]).tolist()
        # Nothing here holds on to the maps: the scorer has their weights in a form of its own.
        cuts = [
            (start, end, one.bias, len(one.shape) == 1)
            for start, end, one in zip([0, *ends[:-1]], ends, scores.maps, strict=True)
        ]

        def parts(found: Array) -> Iterator[Array]:
            for start, end, bias, is_flat in cuts:
                part = found[:, start:end] + bias
                yield part.reshape(-1) if is_flat else part

        def method(answer: Answer) -> Method:
            def call(documents: Any, n_jobs: int | None = None) -> Any:
                found = score(documents, n_jobs)
                return None if found is None else answer.of_scores(list(parts(found)))

            return call

        return behind_text(
            previous,
            {name: method(answer) for name, answer in scores.answers.items()},
            by=self.by,
            names=self.names,
            classes=self.classes,
            decides_by=self.decides_by,
        )


def _by_blas(maps: Sequence[LinearMap], answer: Answer) -> Method:
    """The products that scikit-learn makes, one after the other."""

    def call(rows: Array) -> Any:
        if rows.size <= _FEW_NUMBERS:
            # Infinite where a number is; and neither raises nor warns, as other sums do.
            if not isfinite(np.vdot(rows, rows)):
                return None
            return answer.of_scores([linear_scores(rows, one.weights(), one.bias) for one in maps])
        # A NaN or infinity in a row reaches every score of the row (also through a zero
        # weight): the sum of the few scores tells as much as a look at the many inputs. It is
        # the restored estimator's to complain of them, so here numpy must not.
        with np.errstate(all="ignore"):
            scores = [linear_scores(rows, one.weights(), one.bias) for one in maps]
            finite = all(isfinite(np.add.reduce(part, axis=None)) for part in scores)
        return answer.of_scores(scores) if finite else None

    return call


def _compiled(maps: Sequence[LinearMap], answer: Answer) -> Method:
    """One compiled call for all maps, where that is the quicker way."""
    kernel: Callable[..., Array] = getattr(linear_rows(), answer.kernel)
    operands = cache(lambda: _stacked_operands(maps))
    by_blas = _by_blas(maps, answer)
    finish = answer.finish or (lambda found: answer.of_scores(_split(maps, found)))

    def call(rows: Array) -> Any:
        weights, bias = operands()
        if suits_kernel(rows, weights):
            found = kernel(rows, weights, bias)
            return finish(found) if is_usable(found) else None
        return by_blas(rows)

    return call


def _split(maps: Sequence[LinearMap], scores: Array) -> list[Array]:
    parts, start = [], 0
    for one in maps:
        part = scores[:, start : start + one.n_outputs]
        parts.append(part.reshape(-1) if len(one.shape) == 1 else np.ascontiguousarray(part))
        start += one.n_outputs
    return parts


def _folded(one: LinearMap, form: Affine | Projection | Selection) -> LinearMap:
    weights, bias = one.weights(), one.bias
    if isinstance(form, Affine):
        weights, bias = fold_affine(weights, bias, form.scale, form.shift)
    elif isinstance(form, Projection):
        weights, bias = form.weights @ weights, form.bias @ weights + bias
    else:
        weights = form.scattered(weights)
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
        codes = [np.atleast_2d(one.dense()) for one in coded]
        scales = [np.broadcast_to(one.scale, one.n_outputs) for one in coded]
        return hold_weights(np.concatenate(codes).T, np.concatenate(scales))
    return hold_weights(_joined([np.atleast_2d(one.weights().T) for one in maps]).T)


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
