"""Forms: how a step looks to the step after it, beyond the methods that it answers.

A step has one form or none. The next step matches on it to take the step in: a linear model folds
an `Affine` scaler into its weights, and goes straight from `Text` to scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.values import Value

if TYPE_CHECKING:
    from model_quantization.kernels.linear.stored_codes import StoredCodes
    from model_quantization.kernels.tables.categories import Encoder, Filler
    from model_quantization.kernels.text.steps import Step

Scores: TypeAlias = Sequence[Array]
Kernel: TypeAlias = Literal["row_scores", "row_softmax", "row_one_vs_rest", "row_winners"]


class Affine(Value, frozen=True):
    """Every column becomes `x * scale + shift`.

    Attributes
    ----------
    scale, shift : ndarray of shape (n_features,)
    """

    scale: Array
    shift: Array


class Projection(Value, frozen=True):
    """Rows become `rows @ weights + bias`.

    Attributes
    ----------
    weights : ndarray of shape (n_features, n_columns)
    bias : ndarray of shape (n_columns,)
    exact : bool
        Whether the step must answer with scikit-learn's bits: then no other step takes it in.
    """

    weights: Array
    bias: Array
    exact: bool = False


class Selection(Value, frozen=True):
    """Some of the columns, in order.

    Attributes
    ----------
    chosen : bool array, (n_features,)
    """

    chosen: Array

    def scattered(self, weights: Array) -> Array:
        """The weights, (n_chosen, ...), for all columns: zero for those that are not chosen."""
        every = np.zeros((len(self.chosen), *weights.shape[1:]), dtype=weights.dtype)
        every[self.chosen] = weights
        return every


class Text(Value, frozen=True):
    """Documents, or the rows of a table, become sparse columns.

    Attributes
    ----------
    step : kernels.text.steps.Step
        `step.scorer(weights)` goes straight from documents to `transform(documents) @ weights`.
    """

    step: Step


class Dense(Value, frozen=True):
    """A table becomes a matrix for the next step; the public `transform` is not answered.

    Attributes
    ----------
    rows : callable
        The matrix of a table, or None for a table that the restored estimator must treat.
    """

    rows: Callable[[Any], Any]


class Columns(Value, frozen=True):
    """Columns of any type are filled, or encoded as numbers, or both.

    Attributes
    ----------
    encoder : kernels.tables.categories.Encoder or None
        None for a step that only fills.
    filler : kernels.tables.categories.Filler or None
        Fills the columns before they are encoded.
    whole : Text, Dense or None
        The form for a whole table, where the encoder knows the names of its columns.
    """

    encoder: Encoder | None
    filler: Filler | None
    whole: Text | Dense | None = None


class LinearMap(Value, frozen=True):
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


class Answer(Value, frozen=True):
    """How scores become one method's answer.

    Attributes
    ----------
    of_scores : callable
        The answer from the scores of every map, in their order.
    kernel, finish
        The shortcut for a single map: `finish` takes the result of this kernel of `linear_rows`.
    """

    of_scores: Callable[[Scores], Any]
    kernel: Kernel = "row_scores"
    finish: Callable[[Array], Any] | None = None


class LinearScores(Value, frozen=True):
    """Every answer follows from linear scores: a model over several such models scores all at once.

    Attributes
    ----------
    maps : tuple of LinearMap
        Linear maps of the same rows.
    answers : mapping of str to Answer
        By method name.
    """

    maps: tuple[LinearMap, ...]
    answers: Mapping[str, Answer]

    @property
    def n_features(self) -> int:
        """Columns of the rows."""
        return self.maps[0].shape[0]


Form: TypeAlias = Affine | Projection | Selection | Text | Dense | Columns | LinearScores


def text_step(form: Form | None) -> Step | None:
    """The step that makes sparse columns, of documents or of a whole table; None for others."""
    if isinstance(form, Columns):
        form = form.whole
    return form.step if isinstance(form, Text) else None


_MOST_CELLS = 1 << 26  # of a sparse matrix that is laid out as an array


def matrix_of(form: Form | None, *, sparse: bool = False) -> Callable[[Any], Any] | None:
    """The function that gives the next step a table as a matrix; None for other forms.

    Parameters
    ----------
    form : Form or None
    sparse : bool
        Whether the next step answers a sparse matrix as it does the same rows as an array.
    """
    if isinstance(form, Columns):
        form = form.whole
    if isinstance(form, Text) and sparse:
        rows = getattr(form.step, "rows", None)
        width = max(form.step.n_columns, 1)
        if rows is None:
            return None
        return lambda given: rows(given) if len(given) * width <= _MOST_CELLS else None
    return form.rows if isinstance(form, Dense) else None
