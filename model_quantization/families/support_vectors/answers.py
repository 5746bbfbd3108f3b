"""The answers of a machine: sums over its vectors in one pass, and what libsvm makes of them.

Sums are taken in another order than libsvm takes them. How far both can be from each other is
known (`Scores.doubts`); a label that lies within that of a border is left to the restored
estimator, so that labels are always its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.kernel_functions import machine_kernel
from model_quantization.families.shared.steps import all_finite
from model_quantization.families.support_vectors.folding import (
    Machine,
    folded,
    machine_of,
    pair_coefficients,
)
from model_quantization.kernels.linear.multiclass import pairwise_votes
from model_quantization.kernels.machines.known_rows import KnownRows, Step
from model_quantization.kernels.machines.pair_votes import (
    fill_pair_decisions,
    fill_pair_probabilities,
    fill_pair_winners,
)
from model_quantization.kernels.machines.short_sums import ShortSums
from model_quantization.locks import cached_property

_SMALL = 1e-7  # of the largest score: a tenth of what a fast predictor may be off by
_SOME_ROWS = 64
_FEWEST_NUMBERS = 4096  # for which single precision is sooner done, bounds included
_LARGE_GAP = 1e-9  # between the two best classes, whose scores are at most n_classes
_EPSILON = float(np.finfo(np.float64).eps)
_ONE = np.ones(1)
_BITS = "its numbers have libsvm's last bits, which depend on the machine"
_NUMBERS = ("predict_proba", "predict_log_proba", "decision_function", "score_samples")


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The fast predictor of a machine; at `exact` of its labels alone.

    Raises
    ------
    ValueError
        The vectors, coefficients and intercepts do not fit each other.
    """
    function = machine_kernel(component)
    if function is None:
        return NotFast("its kernel is a function or a matrix of its caller's")
    if not isinstance(component.get("support_vectors_"), np.ndarray):
        return NotFast("it was fitted on sparse rows")
    classes = component.get("classes_")
    machine = machine_of(
        component["support_vectors_"],
        component.get("_dual_coef_"),
        None if classes is None else component.get("_n_support"),
    )
    intercepts = component.get("_intercept_")
    n_pairs = 1 if machine is None or machine.counts is None else _pairs(len(machine.counts))
    if machine is None or getattr(intercepts, "shape", None) != (n_pairs,):
        raise ValueError("its vectors, coefficients and intercepts do not fit each other")
    scores = Scores(component, machine, function.steps, np.asarray(intercepts, np.float64))
    methods = (
        _one_score(component, scores, exact)
        if classes is None
        else _classifier(component, scores, exact)
    )
    if not methods:
        return NotFast(_BITS)
    return Lowered(
        methods,
        by=f"{component['kernel']} sums over {len(machine.vectors)} vectors",
        names=(component.path,),
        n_features=machine.vectors.shape[1],
        classes=classes,
        left=dict.fromkeys(_NUMBERS, _BITS) if exact else {},
    )


def _pairs(n_classes: int) -> int:
    return n_classes * (n_classes - 1) // 2


class Scores:
    """The scores of a machine, one for each pair of classes.

    Parameters
    ----------
    component : Component
    machine : Machine
    steps : tuple of Step
        The kernel.
    intercepts : float64 array of shape (n_pairs,)
    """

    def __init__(
        self, component: Component, machine: Machine, steps: tuple[Step, ...], intercepts: Array
    ) -> None:
        self._machine = machine
        self._steps = steps
        self.intercepts = intercepts
        self._kernel = component["kernel"]
        numbers = (component.get(name) for name in ("_gamma", "coef0", "degree"))
        self._gamma, self._offset, self._degree = (float(number or 0.0) for number in numbers)
        self.n_classes = 2 if machine.counts is None else len(machine.counts)

    @cached_property
    def _operands(self) -> tuple[KnownRows, Array]:
        machine = folded(self._machine) if self._kernel == "linear" else self._machine
        known = KnownRows(self._steps, machine.vectors, machine.counts)
        return known, known.laid_out(machine.coefficients)

    def __call__(self, rows: Array) -> Array | None:
        """Return the scores, (n, n_pairs), as libsvm signs them; None for rows not finite."""
        if not all_finite(rows):
            return None
        known, coefficients = self._operands
        return self._decisions(known.sums(rows, coefficients))

    def _decisions(self, sums: Array) -> Array:
        if self._machine.counts is None:
            sums += self.intercepts
            return sums
        decisions = np.empty((len(sums), len(self.intercepts)))
        fill_pair_decisions(sums, self.intercepts, self.n_classes, decisions)
        return decisions

    @cached_property
    def is_steady(self) -> bool:
        """Whether cancellation of large coefficients stays below the promised digits."""
        some = np.asarray(self._machine.vectors[:_SOME_ROWS], dtype=np.float64)
        found = self(some)
        if found is None:
            return False
        doubt = float(self._doubts.max() * self._magnitudes(some).max())
        return doubt <= _SMALL * float(np.abs(found).max())

    def numbers(self, rows: Array) -> Array | None:
        """Return the scores where they are proven to be libsvm's but for rounding; else None."""
        return self(rows) if self.is_steady else None

    def winners(self, rows: Array) -> Array | None:
        """Return the class with most votes for each row; None where a vote is in doubt.

        Single precision tells most of them; rows of which it does not are done again.
        """
        short = self._short
        if short is None or not all_finite(rows):
            return self._winners_in_double(rows)
        sums, off = short.sums(rows)
        decisions = self._decisions(sums)
        winners, doubts = np.empty(len(rows), np.int64), off + self._doubt
        if self._fill_winners(decisions, doubts, self._weights, winners):
            return winners
        clear = (np.abs(decisions) > self._weights * doubts[:, np.newaxis]).all(axis=1)
        left = np.flatnonzero(~clear)
        found = self._winners_in_double(rows[left])
        if found is None:
            return None
        winners[left] = found
        return winners

    def _winners_in_double(self, rows: Array) -> Array | None:
        decisions = self(rows)
        return None if decisions is None else self.winners_of(rows, decisions)

    def _fill_winners(
        self, decisions: Array, magnitudes: Array, doubts: Array, winners: Array
    ) -> bool:
        votes = np.empty(self.n_classes, np.int64)
        return bool(
            fill_pair_winners(decisions, magnitudes, doubts, self.n_classes, votes, winners)
        )

    def winners_of(self, rows: Array, decisions: Array) -> Array | None:
        """Return the class with most votes by scores that are known; None where one is in doubt."""
        winners = np.empty(len(rows), np.int64)
        magnitudes = self._magnitudes(rows)
        certain = self._fill_winners(decisions, magnitudes, self._doubts, winners)
        return winners if certain else None

    @cached_property
    def _short(self) -> ShortSums | None:
        """The vectors in single precision, where they are many and their kernel is Gaussian."""
        machine = self._machine
        if self._kernel != "rbf" or machine.vectors.size < _FEWEST_NUMBERS or not self._gamma > 0:
            return None
        counts = [len(machine.vectors)] if machine.counts is None else machine.counts
        return ShortSums.of(machine.vectors, machine.coefficients, counts, self._gamma)

    @cached_property
    def _doubts(self) -> Array:
        """How far a score can be from libsvm's, for a row of magnitude 1.

        Each similarity is a sum of n_features terms in either, and then a few operations, of which
        none makes its error larger than its magnitude; the score is a sum of n_vectors of them.
        Both are off by at most `n * eps` of the sum of magnitudes (Higham, section 3.1), which is
        taken twice for both, and twice more.
        """
        return self._doubt * self._weights

    @cached_property
    def _doubt(self) -> float:
        size = sum(self._machine.vectors.shape) + 16
        steps = size * (self._degree + 1 if self._kernel == "poly" else 1)
        return 4 * _EPSILON * steps

    @cached_property
    def _weights(self) -> Array:
        """What errors of similarities are multiplied with, at most."""
        weights = np.abs(pair_coefficients(self._machine)).sum(axis=1)
        return np.asarray(weights + np.abs(self.intercepts))

    @cached_property
    def _largest(self) -> Array:
        return np.asarray(np.abs(self._machine.vectors).max(axis=0), dtype=np.float64)

    def _magnitudes(self, rows: Array) -> Array:
        """How large the similarities of each row can be, at least 1."""
        if self._kernel == "rbf":
            return _ONE  # also what errors of distances make of it: z exp(-z) < 1
        with np.errstate(all="ignore"):
            products = np.abs(rows) @ self._largest
            if self._kernel != "linear":
                products = abs(self._gamma) * products + abs(self._offset)
            if self._kernel == "poly":
                products **= self._degree
            return np.asarray(products + 1.0, dtype=np.float64)


def _one_score(component: Component, scores: Scores, exact: bool) -> dict[str, Method]:
    """A regressor's numbers, or inliers and outliers."""

    def numbers(rows: Array) -> Array | None:
        found = scores.numbers(rows)
        return None if found is None else _finite(found.ravel())

    if not component.type.endswith(":OneClassSVM"):
        return {} if exact else {"predict": numbers}

    def labels(rows: Array) -> Array | None:
        winners = scores.winners(rows)
        return None if winners is None else 1 - 2 * winners

    if exact:
        return {"predict": labels}
    offset = component["offset_"]

    def samples(rows: Array) -> Array | None:
        found = numbers(rows)
        return None if found is None else np.asarray(found + offset)

    return {"predict": labels, "decision_function": numbers, "score_samples": samples}


def _finite(found: Array) -> Array | None:
    """The numbers; None for some that overflowed, of which libsvm may make others."""
    return found if all_finite(found) else None


def _classifier(component: Component, scores: Scores, exact: bool) -> dict[str, Method]:
    classes, n_classes = component["classes_"], scores.n_classes
    if np.shape(classes) != (n_classes,):
        raise ValueError(f"it has {np.shape(classes)} classes and vectors of {n_classes}")
    shape, breaks_ties = component.get("decision_function_shape"), component.get("break_ties")
    one_for_each = shape == "ovr" and n_classes > 2

    def decision_function(rows: Array) -> Array | None:
        decisions = scores.numbers(rows)
        if decisions is None:
            return None
        if n_classes == 2:
            return _finite(-decisions.ravel())
        if not one_for_each:
            return _finite(decisions)
        if scores.winners_of(rows, decisions) is None:
            return None  # one vote more changes the answer by a jump
        return _finite(pairwise_votes(decisions < 0, -decisions, n_classes))

    def by_votes(rows: Array) -> Array | None:
        winners = scores.winners(rows)
        return None if winners is None else classes.take(winners)

    def by_scores(rows: Array) -> Array | None:
        found = decision_function(rows)
        if found is None:
            return None
        best = np.partition(found, -2, axis=1)
        if ((best[:, -1] - best[:, -2]) < _LARGE_GAP).any():
            return None
        return np.asarray(classes.take(found.argmax(axis=1)))

    methods: dict[str, Method] = {}
    if not (breaks_ties and shape == "ovo"):  # scikit-learn has an error for both
        methods["predict"] = by_scores if breaks_ties and one_for_each else by_votes
    if not exact:
        methods["decision_function"] = decision_function
        methods |= _probabilities(component, scores)
    return methods


def _probabilities(component: Component, scores: Scores) -> dict[str, Method]:
    curves = [component.get(name) for name in ("_probA", "_probB")]
    slopes, offsets = (
        curve.astype(np.float64) if isinstance(curve, np.ndarray) else _ONE[:0] for curve in curves
    )
    if not slopes.shape == offsets.shape == scores.intercepts.shape:
        return {}  # it was not fitted for them
    n_classes = scores.n_classes

    def predict_proba(rows: Array) -> Array | None:
        decisions = scores.numbers(rows)
        if decisions is None or not all_finite(decisions):
            return None
        found, room = np.empty((len(rows), n_classes)), np.empty(n_classes * (n_classes + 1))
        fill_pair_probabilities(decisions, slopes, offsets, n_classes, room, found)
        return found

    return {"predict_proba": predict_proba, "predict_log_proba": _logarithm_of(predict_proba)}


def _logarithm_of(method: Callable[[Array], Array | None]) -> Method:
    def logarithms(rows: Array) -> Array | None:
        found = method(rows)
        return None if found is None else np.asarray(np.log(found))

    return logarithms
