"""Models that are trained for the grid that their weights will be stored on.

`QuantizationAwareClassifier` and `QuantizationAwareRegressor` wrap a linear model or a network. The
fitted `estimator_` has weights that are a scale times a whole number of so many bits, so that
quantizing it at as many bits loses nothing. It uses the training rows: it rounds the weights
together (`schemes.together`), and then trains networks with the grid in the loop
(`schemes.straight_through`).

scikit-learn is imported with this module, and by nothing else of the library's public face.
"""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    clone,
    is_classifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from model_quantization.kernels.linear.layers import ACTIVATIONS
from model_quantization.schemes import affine
from model_quantization.schemes.straight_through import LayerGrid, train_on_grid
from model_quantization.schemes.together import round_together

__all__ = ["QuantizationAwareClassifier", "QuantizationAwareRegressor"]

Matrix = NDArray[np.float64]
_MOST_INPUTS = 2048


def _estimator_has(method: str) -> Any:
    def check(self: Any) -> bool:
        inner = getattr(self, "estimator_", None)
        # raises the estimator's own AttributeError
        getattr(self._given() if inner is None else inner, method)
        return True

    return check


class _QuantizationAware(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """The common part of the classifier and the regressor."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "bits": [Interval(Integral, 2, 8, closed="both")],
        "epochs": [Interval(Integral, 0, None, closed="left")],
        "random_state": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self, estimator: Any = None, *, bits: int = 4, epochs: int = 20, random_state: int = 0
    ) -> None:
        self.estimator = estimator
        self.bits = bits
        self.epochs = epochs
        self.random_state = random_state

    @abstractmethod
    def _given(self) -> Any:
        """The estimator to fit: the one that was given, or the default."""

    def fit(self, X: Any, y: Any, **fit_params: Any) -> Any:
        """Fit the estimator, and bring its weights onto the grid with the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        **fit_params : dict
            Passed to the estimator's `fit`.

        Returns
        -------
        self
        """
        self._validate_params()
        inner = clone(self._given()).fit(X, y, **fit_params)
        rows = _dense(X)
        if isinstance(getattr(inner, "coefs_", None), list):
            self._round_network(inner, rows, y)
        elif isinstance(getattr(inner, "coef_", None), np.ndarray):
            _round_linear(inner, rows, self.bits)
        else:
            raise TypeError(
                f"{type(self).__name__} needs an estimator with weights (`coef_` or `coefs_`), got "
                f"{type(inner).__name__}; forests and neighbours lose nothing by training for a "
                "grid"
            )
        self.estimator_ = inner
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(inner, name):
                setattr(self, name, getattr(inner, name))
        return self

    def _round_network(self, inner: Any, rows: Matrix | None, y: Any) -> None:
        grids = [_grid(layer, self.bits) for layer in inner.coefs_]
        hidden, output = inner.activation, inner.out_activation_
        if rows is None or not self.epochs:
            inner.coefs_ = [
                _as(_pinned(grid.nearest(layer), layer, grid), layer)
                for grid, layer in zip(grids, inner.coefs_, strict=True)
            ]
            return
        given, start = rows, []
        for number, (layer, grid) in enumerate(zip(inner.coefs_, grids, strict=True)):
            assert grid.scale is not None
            codes = (
                round_together(layer, given, grid.scale, grid.top) * grid.scale
                if len(layer) <= _MOST_INPUTS
                else grid.nearest(layer)
            )
            start.append(codes)
            name = hidden if number < len(grids) - 1 else output
            given = ACTIVATIONS[name](given @ codes + inner.intercepts_[number])
        solved, shifts = train_on_grid(
            start,
            inner.intercepts_,
            grids,
            rows,
            _targets(inner, y, output),
            hidden=hidden,
            output=output,
            epochs=self.epochs,
            seed=self.random_state,
        )
        inner.coefs_ = [
            _as(_pinned(new, old, grid), old)
            for new, old, grid in zip(solved, inner.coefs_, grids, strict=True)
        ]
        inner.intercepts_ = [
            _as(new, old) for new, old in zip(shifts, inner.intercepts_, strict=True)
        ]

    def predict(self, X: Any) -> Any:
        """Return what the estimator on the grid predicts.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._given())
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.target_tags.multi_output = inner.target_tags.multi_output
        if tags.classifier_tags is not None and inner.classifier_tags is not None:
            tags.classifier_tags.multi_class = inner.classifier_tags.multi_class
        return tags


class QuantizationAwareClassifier(ClassifierMixin, _QuantizationAware):  # type: ignore[misc]
    """A classifier whose fitted weights lie on a grid of so many bits.

    Parameters
    ----------
    estimator : estimator, optional
        A linear classifier or `MLPClassifier`; a `LogisticRegression` by default.
    bits : int
        From 2 to 8. One scale per class, or per neuron of a network.
    epochs : int
        Of a network's training with the grid in the loop; 0: weights are only rounded.
    random_state : int
        Of the order of rows in that training.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, its weights on the grid.
    classes_ : ndarray
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> rows, labels = load_iris(return_X_y=True)
    >>> model = QuantizationAwareClassifier(LogisticRegression(max_iter=500), bits=4)
    >>> len(np.unique(model.fit(rows, labels).estimator_.coef_[0])) <= 15
    True
    """

    def _given(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    @available_if(_estimator_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of the estimator on the grid."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """Return the scores of the estimator on the grid."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)


class QuantizationAwareRegressor(RegressorMixin, _QuantizationAware):  # type: ignore[misc]
    """A regressor whose fitted weights lie on a grid of so many bits.

    Parameters
    ----------
    estimator : estimator, optional
        A linear regressor or `MLPRegressor`; a `Ridge` by default.
    bits, epochs, random_state
        As in `QuantizationAwareClassifier`.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, its weights on the grid.
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> rows, target = load_diabetes(return_X_y=True)
    >>> model = QuantizationAwareRegressor(bits=6).fit(rows, target)
    >>> len(np.unique(model.estimator_.coef_)) <= 63
    True
    """

    def _given(self) -> Any:
        return Ridge() if self.estimator is None else self.estimator


def _dense(X: Any) -> Matrix | None:
    """The rows as numbers; None for a sparse matrix, whose weights are rounded by themselves."""
    if hasattr(X, "tocsr"):
        return None
    values = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
    return np.asarray(values, dtype=np.float64)


def _grid(layer: Any, bits: int) -> LayerGrid:
    """The grid of a layer (d, k): a scale per output that reaches its largest weight."""
    reach = np.abs(np.asarray(layer, dtype=np.float64)).max(axis=0)
    found = affine.fit_grid(np.stack([-reach, reach], axis=1), bits, symmetric=True)
    return LayerGrid(found.scale.astype(np.float64), affine.largest_code(bits, symmetric=True))


def _pinned(values: Matrix, before: Any, grid: LayerGrid) -> Matrix:
    """The values with the largest weight of each output at the end of the grid.

    Quantizing finds the grid again from the largest weight, so a weight must lie at its end.
    """
    assert grid.scale is not None
    made = np.array(values)
    lacking = np.flatnonzero(np.rint(np.abs(made) / grid.scale).max(axis=0) < grid.top)
    place = np.abs(np.asarray(before)).argmax(axis=0)[lacking]
    sign = np.where(np.asarray(before)[place, lacking] < 0, -1.0, 1.0)
    made[place, lacking] = sign * grid.top * grid.scale[lacking]
    return made


def _as(values: Matrix, like: Any) -> Any:
    return np.ascontiguousarray(values, dtype=np.asarray(like).dtype)


def _round_linear(inner: Any, rows: Matrix | None, bits: int) -> None:
    """Weights on the grid, and intercepts moved by what the scores lose on average."""
    before = np.atleast_2d(inner.coef_).astype(np.float64).T
    if not before.any():
        return
    grid = _grid(before, bits)
    assert grid.scale is not None
    if rows is None or len(rows) < 2 or len(before) > _MOST_INPUTS:
        solved = grid.nearest(before)
    else:
        solved = round_together(before, rows, grid.scale, grid.top) * grid.scale
        if (
            np.square(rows @ (solved - before)).sum()
            > np.square(rows @ (grid.nearest(before) - before)).sum()
        ):
            solved = grid.nearest(before)
    solved = _pinned(solved, before, grid)
    if rows is not None:
        shift = rows.mean(axis=0) @ (before - solved)
        intercept = np.asarray(inner.intercept_, dtype=np.float64)
        if getattr(inner, "fit_intercept", True):
            inner.intercept_ = (
                intercept + shift.reshape(intercept.shape)
                if intercept.ndim
                else float(intercept + shift[0])
            )
    inner.coef_ = solved.T.reshape(inner.coef_.shape).astype(inner.coef_.dtype)


def _targets(inner: Any, y: Any, output: str) -> Matrix:
    """The wanted outputs of a network: numbers, or one column per class."""
    if not is_classifier(inner):
        return np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    codes = inner._label_binarizer.transform(np.asarray(y))
    return np.asarray(codes, dtype=np.float64)
