"""Weights trained on for their grid with labelled rows: linear models and networks.

What is trained is rounded in every step (`schemes.straight_through`). The targets lie half way
between the labels and what the exact model answers: labels say where rounding may move an answer
for the better, the model's own answers keep the rows from being learned by heart. The loss is the
model's own: cross-entropy where it gives probabilities, the squared error where it gives numbers.
Scores of other classifiers are drawn to those of the exact model, and where these are on the wrong
side, or nearer than 1, half way to the right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.arrays import Array
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, ScalarNode, attributes
from model_quantization.graph.traversal import components, join
from model_quantization.graph.values import scalar_value
from model_quantization.kernels.linear.layers import ACTIVATIONS, forward
from model_quantization.planning.assigned import Refit
from model_quantization.planning.plan import Plan
from model_quantization.planning.refit import as_stored, grid_of, listed, readout
from model_quantization.schemes.straight_through import LayerGrid, train_on_grid

Matrix = NDArray[np.float64]

_LABELS: Final = 0.5  # their part of a target
_STEP: Final = 0.02  # of a grid's step that one update may move a weight of a linear model
_EPOCHS: Final = 20
# Models whose own loss is another than the squared error would become other models.
_SQUARED: Final = frozenset(
    f"sklearn.linear_model.{name}"
    for name in (
        "_base:LinearRegression",
        "_ridge:Ridge",
        "_ridge:RidgeCV",
        "_bayes:ARDRegression",
        "_bayes:BayesianRidge",
        "_coordinate_descent:ElasticNet",
        "_coordinate_descent:ElasticNetCV",
        "_coordinate_descent:Lasso",
        "_coordinate_descent:LassoCV",
        "_coordinate_descent:MultiTaskElasticNet",
        "_coordinate_descent:MultiTaskElasticNetCV",
        "_coordinate_descent:MultiTaskLasso",
        "_coordinate_descent:MultiTaskLassoCV",
        "_least_angle:Lars",
        "_least_angle:LarsCV",
        "_least_angle:LassoLars",
        "_least_angle:LassoLarsCV",
        "_least_angle:LassoLarsIC",
        "_omp:OrthogonalMatchingPursuit",
        "_omp:OrthogonalMatchingPursuitCV",
    )
)
_LOGISTIC: Final = frozenset(
    {
        "sklearn.linear_model._logistic:LogisticRegression",
        "sklearn.linear_model._logistic:LogisticRegressionCV",
    }
)
_SGD: Final = "sklearn.linear_model._stochastic_gradient:SGDClassifier"


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows that the model was trained on, as they reach its weights, with their labels.

    Attributes
    ----------
    inputs : mapping of str to ndarray
        Path of a layer of weights -> what reached it, shape (n, d).
    target : ndarray
        Integers, shape (n,): places in the model's classes. Floats, shape (n, outputs): numbers,
        or 0 and 1 for each label.
    """

    inputs: Mapping[str, Array]
    target: Array

    def __len__(self) -> int:
        return len(self.target)


def trained(plan: Plan, answered: str, refit: Refit, labelled: LabelledRows) -> Refit | None:
    """Return the weights that give the answers, trained on for the grids of a plan.

    Parameters
    ----------
    plan : Plan
    answered : str
        Path of the model that is asked.
    refit : Refit
        Where training starts.
    labelled : LabelledRows

    Returns
    -------
    Refit or None
        None where the answers are made by other than rounded weights of a linear model or network,
        or the rows did not reach them as numbers.
    """
    path = readout(plan, answered)
    node = dict(components(plan.graph)).get(path) if path is not None else None
    if path is None or not isinstance(node, ObjectNode):
        return None
    state = attributes(node)
    if isinstance(state.get("coef_"), ArrayNode):
        return _linear(plan, path, node.type, state, refit, labelled)
    return _network(plan, path, state, refit, labelled)


def _network(
    plan: Plan, path: str, state: Mapping[str, Node], refit: Refit, labelled: LabelledRows
) -> Refit | None:
    weights, biases = (listed(plan, state.get(name)) for name in ("coefs_", "intercepts_"))
    rows = labelled.inputs.get(join(path, "coefs_/0"))
    hidden, output = str(state.get("activation")), str(state.get("out_activation_"))
    if rows is None or not weights or len(weights) != len(biases):
        return None
    if hidden not in ACTIVATIONS or output not in ACTIVATIONS:
        return None
    wide = rows.astype(np.float64)
    answers = forward(wide, [np.array(each) for each in weights], biases, hidden, output)
    return _on_grid(
        plan,
        refit,
        [join(path, f"coefs_/{number}") for number in range(len(weights))],
        [join(path, f"intercepts_/{number}") for number in range(len(weights))],
        weights,
        biases,
        wide,
        _mixed(answers, labelled.target),
        hidden=hidden,
        output=output,
    )


def _linear(
    plan: Plan,
    path: str,
    kind: str,
    state: Mapping[str, Node],
    refit: Refit,
    labelled: LabelledRows,
) -> Refit | None:
    held, bias = state["coef_"], state.get("intercept_")
    rows = labelled.inputs.get(join(path, "coef_"))
    if rows is None or not isinstance(held, ArrayNode):
        return None
    layer = np.atleast_2d(plan.graph.arrays[held.array]).T
    shift = _intercept(plan, bias)
    if layer.shape[0] != rows.shape[1] or shift.shape != (layer.shape[1],):
        return None
    wide = rows.astype(np.float64)
    scores = wide @ layer + shift
    output = _output(kind, state, layer.shape[1])
    if output == "scores":
        output, targets = "identity", _nearer_scores(scores, labelled.target)
    else:
        answers = ACTIVATIONS[output](scores)
        targets = _mixed(answers, labelled.target)
    return _on_grid(
        plan,
        refit,
        [join(path, "coef_")],
        [join(path, "intercept_")] if isinstance(bias, ArrayNode) else [""],
        [layer],
        [shift],
        wide,
        targets,
        hidden="identity",
        output=output,
        by_step=True,
    )


def _intercept(plan: Plan, node: Node) -> Array:
    """The intercepts of a linear model; a number by itself is not trained."""
    if isinstance(node, ArrayNode):
        return np.atleast_1d(plan.graph.arrays[node.array])
    if isinstance(node, ScalarNode):
        return np.atleast_1d(scalar_value(node.dtype, node.data, "intercept_"))
    return np.array([node if isinstance(node, int | float) else np.nan], dtype=np.float64)


def _output(kind: str, state: Mapping[str, Node], outputs: int) -> str:
    """What makes answers of a linear model's scores; `scores`: nothing that has a loss here."""
    if kind in _LOGISTIC:
        one_by_one = outputs == 1 or state.get("solver") == "liblinear"
        return "logistic" if one_by_one or state.get("multi_class") == "ovr" else "softmax"
    if kind == _SGD and state.get("loss") == "log_loss":
        return "logistic"
    return "identity" if kind in _SQUARED else "scores"


def _mixed(answers: Matrix, target: Array) -> Matrix | None:
    """Targets half way between labels and answers; None where these are of other classes."""
    labels = _columns(target, answers.shape[1])
    return None if labels is None else _LABELS * labels + (1 - _LABELS) * answers


def _nearer_scores(scores: Matrix, target: Array) -> Matrix | None:
    if target.dtype.kind != "i":
        return None  # numbers of a loss that is not known
    labels = _columns(target, scores.shape[1])
    if labels is None:
        return None
    side = 2 * labels - 1
    return np.where(side * scores < 1, _LABELS * side + (1 - _LABELS) * scores, scores)


def _columns(target: Array, outputs: int) -> Matrix | None:
    """Labels with a column per output: of two classes, the second is the only one."""
    if target.dtype.kind != "i":
        return target.astype(np.float64) if target.shape[1] == outputs else None
    if outputs == 1:
        return (target == 1).astype(np.float64)[:, None] if target.max(initial=0) < 2 else None
    return np.eye(outputs)[target] if target.max(initial=0) < outputs else None


def _on_grid(
    plan: Plan,
    refit: Refit,
    weights_at: list[str],
    biases_at: list[str],
    weights: list[Array],
    biases: list[Array],
    rows: Matrix,
    targets: Matrix | None,
    *,
    hidden: str,
    output: str,
    by_step: bool = False,
) -> Refit | None:
    choices = {choice.path: choice for choice in plan.choices}
    given = [grid_of(choices.get(at), each) for at, each in zip(weights_at, weights, strict=True)]
    grids = [grid for grid, _ in given]
    if (
        targets is None
        or not np.isfinite(targets).all()
        or all(grid.scale is None for grid in grids)
    ):
        return None
    arrays, ranges = dict(refit.arrays), dict(refit.ranges)
    solved, shifts = train_on_grid(
        [_layer(arrays.get(at), each) for at, each in zip(weights_at, weights, strict=True)],
        [
            arrays.get(at, each).reshape(each.shape)
            for at, each in zip(biases_at, biases, strict=True)
        ],
        grids,
        rows,
        targets,
        hidden=hidden,
        output=output,
        epochs=_EPOCHS,
        rates=_rates(grids[0], rows, moves_bias=bool(biases_at[0])) if by_step else None,
    )
    held = plan.graph.arrays
    stored = {choice.path: held[index] for index, choice in enumerate(plan.choices)}
    for at, value, (grid, reach) in zip(weights_at, solved, given, strict=True):
        if grid.scale is not None:
            like = stored[at]
            arrays[at] = as_stored(value.T.reshape(like.shape) if by_step else value, like)
            ranges[at] = reach
    for at, value in zip(biases_at if biases_at[0] else (), shifts, strict=False):
        arrays[at] = as_stored(value.reshape(stored[at].shape), stored[at])
    return Refit(arrays, ranges)


def _layer(given: Array | None, like: Array) -> Array:
    """Weights where training starts, with the shape (d, k) of the layer."""
    if given is None:
        return like
    return given if given.shape == like.shape else np.atleast_2d(given).T


def _rates(grid: LayerGrid, rows: Matrix, *, moves_bias: bool) -> tuple[Matrix, Matrix]:
    """How far an update moves weights and biases of a linear model, whose inputs have any scale."""
    assert grid.scale is not None
    size = float(np.sqrt(np.square(rows).mean())) or 1.0
    return _STEP * grid.scale, _STEP * grid.scale * size * moves_bias
