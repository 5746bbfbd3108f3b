"""Kernels of scikit-learn's Gaussian processes and support vector machines, from their state alone.

Only what is needed to solve coefficients again: between two sets of rows, in float64. A predictor
never uses these; the restored estimator has scikit-learn's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, ScalarNode, attributes
from model_quantization.graph.values import scalar_value

KernelFunction: TypeAlias = Callable[[Array, Array], Array]
_MODULE = "sklearn.gaussian_process.kernels:"


def kernel_function(node: Node, arrays: Arrays) -> KernelFunction | None:
    """Return the kernel of a Gaussian process; None for one that is not known here.

    White noise is between a row and itself only: between two sets of rows it is 0.
    """
    if not isinstance(node, ObjectNode) or not node.type.startswith(_MODULE):
        return None
    name = node.type.removeprefix(_MODULE)
    state = attributes(node)
    if name in ("Sum", "Product"):
        first, second = (kernel_function(state.get(part), arrays) for part in ("k1", "k2"))
        if first is None or second is None:
            return None
        if name == "Sum":
            return lambda x, y: first(x, y) + second(x, y)
        return lambda x, y: first(x, y) * second(x, y)
    if name == "Exponentiation":
        inner, power = kernel_function(state.get("kernel"), arrays), _number(state, "exponent")
        return None if inner is None or power is None else lambda x, y: inner(x, y) ** power
    return _leaf(name, state, arrays)


def _leaf(name: str, state: Mapping[str, Node], arrays: Arrays) -> KernelFunction | None:
    length = _lengths(state, arrays)
    match name:
        case "WhiteKernel":
            return lambda x, y: np.zeros((len(x), len(y)))
        case "ConstantKernel":
            value = _number(state, "constant_value")
            return None if value is None else lambda x, y: np.full((len(x), len(y)), value)
        case "RBF" if length is not None:
            return lambda x, y: np.exp(-0.5 * squared_distances(x / length, y / length))
        case "Matern" if length is not None:
            return _matern(_number(state, "nu"), length)
        case "RationalQuadratic" if length is not None:
            alpha = _number(state, "alpha")
            if alpha is None:
                return None
            return lambda x, y: (
                (1 + squared_distances(x, y) / (2 * alpha * np.square(length))) ** -alpha
            )
        case "DotProduct":
            sigma = _number(state, "sigma_0")
            return None if sigma is None else lambda x, y: x @ y.T + sigma**2
        case "ExpSineSquared" if length is not None:
            period = _number(state, "periodicity")
            if period is None:
                return None
            return lambda x, y: np.exp(
                -2 * np.square(np.sin(np.pi * np.sqrt(squared_distances(x, y)) / period) / length)
            )
    return None


def _matern(nu: float | None, length: Any) -> KernelFunction | None:
    def scaled(x: Array, y: Array) -> Array:
        return np.asarray(np.sqrt(squared_distances(x / length, y / length)))

    match nu:
        case 0.5:
            return lambda x, y: np.exp(-scaled(x, y))
        case 1.5:
            return lambda x, y: _with_polynomial(scaled(x, y) * np.sqrt(3), ())
        case 2.5:
            return lambda x, y: _with_polynomial(scaled(x, y) * np.sqrt(5), (1 / 3,))
        case None:
            return None
    return (lambda x, y: np.exp(-0.5 * scaled(x, y) ** 2)) if nu == np.inf else None


def _with_polynomial(distance: Array, more: tuple[float, ...]) -> Array:
    """(1 + d + more d^2 ...) exp(-d)."""
    total = 1 + distance
    for power, factor in enumerate(more, start=2):
        total = total + factor * distance**power
    return np.asarray(total * np.exp(-distance))


def squared_distances(x: Array, y: Array) -> Array:
    """The squared distance of each row of x from each of y."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y, metric="sqeuclidean"))


def machine_kernel(state: Mapping[str, Node]) -> KernelFunction | None:
    """Return the kernel of a support vector machine; None for one of the caller's own."""
    gamma, offset, degree = (_number(state, name) for name in ("_gamma", "coef0", "degree"))
    match state.get("kernel"):
        case "linear":
            return lambda x, y: x @ y.T
        case "rbf" if gamma is not None:
            return lambda x, y: np.exp(-gamma * squared_distances(x, y))
        case "poly" if gamma is not None and offset is not None and degree is not None:
            return lambda x, y: (gamma * (x @ y.T) + offset) ** degree
        case "sigmoid" if gamma is not None and offset is not None:
            return lambda x, y: np.tanh(gamma * (x @ y.T) + offset)
    return None


def _lengths(state: Mapping[str, Node], arrays: Arrays) -> Any:
    node = state.get("length_scale")
    if isinstance(node, ArrayNode):
        return np.asarray(arrays[node.array], dtype=np.float64)
    return _number(state, "length_scale")


def _number(state: Mapping[str, Node], name: str) -> float | None:
    node = state.get(name)
    if isinstance(node, ScalarNode):
        return float(scalar_value(node.dtype, node.data, name))
    if isinstance(node, int | float) and not isinstance(node, bool):
        return float(node)
    return None
