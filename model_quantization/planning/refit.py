"""Solves weights again for the grid that they are rounded to, by the model's own answers.

Rounding moves every weight by itself, but the scores depend on all weights together. Three
corrections need no labels, and only calibration rows:

- `compensated` rounds the weights of a layer together, so that its outputs change least: input by
  input, then one code at a time (`schemes.together`). Layers behind the first are solved for what
  the rounded ones give.
- `distilled` trains a network on its grid to answer as the exact one does.
- `rescaled` maps the scores of a coarser linear model onto the original's by one factor and one
  shift per output. It costs no byte: the factor goes into the scale, the shift into the intercept.

Each is measured on other rows, and kept only where it helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model_quantization.arrays import Array
from model_quantization.families import family_of
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, SequenceNode, attributes
from model_quantization.graph.traversal import components, join
from model_quantization.kernels.linear.layers import ACTIVATIONS, forward
from model_quantization.planning.assigned import Refit
from model_quantization.planning.plan import Choice, Plan
from model_quantization.schemes import affine
from model_quantization.schemes.scheme import Affine, Role
from model_quantization.schemes.straight_through import LayerGrid, train_on_grid
from model_quantization.schemes.together import DAMPING, round_together

Matrix = NDArray[np.float64]

MOST_INPUTS: Final = 2048
"""A layer of more inputs is only rounded: the matrix of their products would be too large."""
MOST_BITS: Final = 7
"""From this width on a weight's own rounding is precise enough."""


def compensated(plan: Plan, inputs: Mapping[str, Array]) -> Refit:
    """Return the weights of linear models and networks, rounded together on calibration rows.

    Parameters
    ----------
    plan : Plan
        Its schemes give the grids; arrays of more than `MOST_BITS` bits stay.
    inputs : mapping of str to ndarray
        Path of a layer's weights -> the calibration rows that reached it, shape (n, d).
    """
    compensation = _Compensation(plan, {choice.path: choice for choice in plan.choices})
    for path, node in components(plan.graph):
        if not isinstance(node, ObjectNode):
            continue
        state = attributes(node)
        rows = inputs.get(join(path, "coef_"))
        if rows is not None:
            compensation.solve_linear(path, state, rows)
        rows = inputs.get(join(path, "coefs_/0"))
        if rows is not None:
            compensation.solve_network(path, state, rows)
    return Refit(compensation.arrays, compensation.ranges)


@dataclass(frozen=True, slots=True)
class _Compensation:
    """Solves the layers of a plan, and collects their arrays and ranges by path."""

    plan: Plan
    choices: Mapping[str, Choice]
    arrays: dict[str, Array] = field(default_factory=dict)
    ranges: dict[str, Array] = field(default_factory=dict)

    def solve_linear(self, path: str, state: Mapping[str, Node], rows: Array) -> None:
        """Solve the weights of a linear model, and shift its intercepts."""
        node, place = state.get("coef_"), join(path, "coef_")
        if not isinstance(node, ArrayNode):
            return
        weights = self.plan.graph.arrays[node.array]
        choice = self.choices.get(place)
        if choice is None or not _can_be_solved(weights, choice, rows.shape[1]):
            return
        wide = np.atleast_2d(weights).astype(np.float64).T
        if wide.shape[0] != rows.shape[1]:
            return
        solved, self.ranges[place] = _rounded(wide, rows.astype(np.float64), choice)
        self.arrays[place] = as_stored(solved.T.reshape(weights.shape), weights)
        shift = rows.mean(axis=0, dtype=np.float64) @ (wide - solved)
        self._shift(join(path, "intercept_"), state.get("intercept_"), shift)

    def _shift(self, path: str, node: Node, shift: Matrix) -> None:
        """Move the intercepts by what the rounded weights lose on average."""
        if isinstance(node, ArrayNode):
            bias = self.plan.graph.arrays[node.array]
            if bias.shape == shift.shape and bias.dtype.kind == "f":
                self.arrays[path] = as_stored(bias + shift, bias)

    def solve_network(self, path: str, state: Mapping[str, Node], rows: Array) -> None:
        """Solve layer by layer: each for what the rounded layers before it give."""
        weights, biases = (listed(self.plan, state.get(name)) for name in ("coefs_", "intercepts_"))
        activation = state.get("activation")
        if not weights or len(weights) != len(biases) or activation not in ACTIVATIONS:
            return
        activate = ACTIVATIONS[str(activation)]
        true = rough = rows.astype(np.float64)
        for number, (layer, bias) in enumerate(zip(weights, biases, strict=True)):
            place = join(path, f"coefs_/{number}")
            choice = self.choices.get(place)
            wide = layer.astype(np.float64)
            if wide.ndim != 2 or wide.shape[0] != rough.shape[1]:
                return
            wanted = true @ wide
            shift = np.zeros(wide.shape[1])
            solved = wide
            if choice is not None and _can_be_solved(layer, choice, wide.shape[0]):
                start = wide if rough is true else _nearest(rough, wanted, wide)
                solved, self.ranges[place] = _rounded(start, rough, choice, stored=wide)
                self.arrays[place] = as_stored(solved, layer)
                shift = (wanted - rough @ solved).mean(axis=0)
                self.arrays[join(path, f"intercepts_/{number}")] = as_stored(bias + shift, bias)
            if number < len(weights) - 1:
                true, rough = activate(wanted + bias), activate(rough @ solved + (bias + shift))


def distilled(plan: Plan, refit: Refit, inputs: Mapping[str, Array]) -> Refit | None:
    """Return networks trained on their grids to answer as the exact ones do on calibration rows.

    Parameters
    ----------
    plan : Plan
    refit : Refit
        Where training starts.
    inputs : mapping of str to ndarray
        As `compensated` takes them.

    Returns
    -------
    Refit or None
        None where there is no network whose layers are rounded.
    """
    choices = {choice.path: choice for choice in plan.choices}
    arrays, ranges = dict(refit.arrays), dict(refit.ranges)
    found = False
    for path, node in components(plan.graph):
        state = attributes(node) if isinstance(node, ObjectNode) else {}
        rows = inputs.get(join(path, "coefs_/0"))
        weights, biases = (listed(plan, state.get(name)) for name in ("coefs_", "intercepts_"))
        hidden, output = state.get("activation"), state.get("out_activation_")
        if rows is None or not weights or len(weights) != len(biases):
            continue
        if hidden not in ACTIVATIONS or output not in ACTIVATIONS:
            continue
        places = [join(path, f"coefs_/{number}") for number in range(len(weights))]
        grids = [
            grid_of(choices.get(place), layer) for place, layer in zip(places, weights, strict=True)
        ]
        if all(grid.scale is None for grid, _ in grids):
            continue
        wide = rows.astype(np.float64)
        shifts_at = [join(path, f"intercepts_/{number}") for number in range(len(weights))]
        solved, shifts = train_on_grid(
            [arrays.get(at, layer) for at, layer in zip(places, weights, strict=True)],
            [arrays.get(at, bias) for at, bias in zip(shifts_at, biases, strict=True)],
            [grid for grid, _ in grids],
            wide,
            forward(wide, [np.array(w) for w in weights], biases, str(hidden), str(output)),
            hidden=str(hidden),
            output=str(output),
        )
        for at, value, layer, (grid, reach) in zip(places, solved, weights, grids, strict=True):
            if grid.scale is not None:
                arrays[at], ranges[at], found = as_stored(value, layer), reach, True
        for at, value, bias in zip(shifts_at, shifts, biases, strict=True):
            arrays[at] = as_stored(value, bias)
    return Refit(arrays, ranges) if found else None


def grid_of(choice: Choice | None, weights: Array) -> tuple[LayerGrid, Array]:
    """Return the grid on which a layer (d, k) will be stored, and the ranges that give it again."""
    if choice is None or weights.ndim != 2 or not _can_be_solved(weights, choice, 0):
        return LayerGrid(None), np.zeros(0)
    scheme = choice.scheme
    assert isinstance(scheme, Affine)
    reach = _reach(weights.astype(np.float64), choice)
    grid = affine.fit_grid(np.stack([-reach, reach], axis=1), scheme.bits, symmetric=True)
    scale = np.broadcast_to(grid.scale.astype(np.float64), (weights.shape[1],))
    return LayerGrid(scale, affine.largest_code(scheme.bits, symmetric=True)), reach


def _reach(weights: Matrix, choice: Choice) -> Array:
    """The ranges of the codes of weights (d, k), as they will be stored."""
    scheme = choice.scheme
    assert isinstance(scheme, Affine)
    by_channel = scheme.granularity == "channel" and choice.slot.channel_axis is not None
    size = np.abs(weights)
    reach = size.max(axis=0) if by_channel else np.array([size.max()])
    given = choice.ranges
    return given if given is not None and given.shape == reach.shape else reach


def listed(plan: Plan, node: Node) -> list[Array]:
    """Return the arrays of a list of arrays; empty for anything else."""
    if not isinstance(node, SequenceNode):
        return []
    return [plan.graph.arrays[item.array] for item in node.items if isinstance(item, ArrayNode)]


def _can_be_solved(weights: Array, choice: Choice, n_inputs: int) -> bool:
    scheme = choice.scheme
    return (
        isinstance(scheme, Affine)
        and scheme.symmetric
        and scheme.bits <= MOST_BITS
        and choice.slot.role is Role.WEIGHT
        and weights.dtype.kind == "f"
        and n_inputs <= MOST_INPUTS
    )


def _nearest(rows: Matrix, wanted: Matrix, weights: Matrix) -> Matrix:
    """The weights near these that give the wanted outputs on the rows, by ridge regression."""
    gram = rows.T @ rows
    damping = DAMPING * np.trace(gram) / len(gram) + 1e-12
    residual = rows.T @ (wanted - rows @ weights)
    return weights + np.linalg.solve(gram + damping * np.eye(len(gram)), residual)


def _rounded(
    weights: Matrix, rows: Matrix, choice: Choice, *, stored: Matrix | None = None
) -> tuple[Matrix, Array]:
    """Weights (d, k) on their grid, and the ranges that give that grid again.

    Parameters
    ----------
    weights : shape (d, k)
    rows : shape (n, d)
    stored : shape (d, k), optional
        The weights whose ranges make the grid; default: `weights`.
    """
    scheme = choice.scheme
    assert isinstance(scheme, Affine)
    reach = _reach(weights if stored is None else stored, choice)
    limits = np.stack([-reach, reach], axis=1)
    grid = affine.fit_grid(limits, scheme.bits, symmetric=True)
    scale = np.broadcast_to(grid.scale.astype(np.float64), (weights.shape[1],))
    top = affine.largest_code(scheme.bits, symmetric=True)
    solved = round_together(weights, rows, scale, top) * scale
    return solved, reach


def as_stored(values: Matrix, like: Array) -> Array:
    """Return values with the dtype and the memory order of the array that they replace."""
    made: Array = values.astype(like.dtype)
    turned = like.flags.f_contiguous and not like.flags.c_contiguous
    return np.asfortranarray(made) if turned else np.ascontiguousarray(made)


def rescaled(
    plan: Plan, path: str, refit: Refit, corrections: Sequence[tuple[float, float]]
) -> Refit | None:
    """Return the refit with the scores of one linear model mapped by a factor and a shift each.

    Parameters
    ----------
    plan : Plan
        At the levels that the corrections were found for.
    path : str
        The linear model, whose scores the answers are made of.
    refit : Refit
        The solution for the plan so far.
    corrections : sequence of (float, float)
        Factor, above zero, and shift of each output.

    Returns
    -------
    Refit or None
        None where the model is not of this form.
    """
    nodes = dict(components(plan.graph))
    node = nodes.get(path)
    state = attributes(node) if isinstance(node, ObjectNode) else {}
    coef, bias = state.get("coef_"), state.get("intercept_")
    if not isinstance(coef, ArrayNode) or not isinstance(bias, ArrayNode):
        return None
    factor, shift = (np.array(each) for each in zip(*corrections, strict=True))
    weights_at, bias_at = join(path, "coef_"), join(path, "intercept_")
    weights = refit.arrays.get(weights_at, plan.graph.arrays[coef.array])
    intercept = refit.arrays.get(bias_at, plan.graph.arrays[bias.array])
    rows = weights.shape[0] if weights.ndim == 2 else 1
    if intercept.size != rows or len(factor) != rows or not (factor > 0).all():
        return None
    along = factor[:, None] if weights.ndim == 2 else factor
    arrays = {
        **refit.arrays,
        weights_at: as_stored(weights * along, weights),
        bias_at: as_stored(
            intercept * factor.reshape(intercept.shape) + shift.reshape(intercept.shape), intercept
        ),
    }
    ranges = dict(refit.ranges)
    if weights_at in ranges:
        reach = ranges[weights_at]
        ranges[weights_at] = reach * factor if reach.shape == factor.shape else reach
        if reach.shape != factor.shape:
            return None  # one scale for all outputs cannot take a factor for each
    return Refit(arrays, ranges)


def readout(plan: Plan, answered: str) -> str | None:
    """Return the path of the linear model or network that answers; None where another does.

    Parameters
    ----------
    plan : Plan
    answered : str
        Path of the model that answers.
    """
    nodes = dict(components(plan.graph))
    path, node = answered, nodes.get(answered)
    while isinstance(node, ObjectNode) and family_of(node.type).name == "pipeline":
        steps = attributes(node).get("steps")
        pair = steps.items[-1] if isinstance(steps, SequenceNode) and steps.items else None
        if not isinstance(pair, SequenceNode) or not isinstance(pair.items[0], str):
            return None
        path = join(join(path, "steps"), pair.items[0])
        node = nodes.get(path)
    if not isinstance(node, ObjectNode) or family_of(node.type).name not in ("linear", "neural"):
        return None
    return path
