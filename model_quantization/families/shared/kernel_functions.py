"""The kernels of scikit-learn's support vector machines and pairwise functions.

A kernel is described once: the steps that the compiled pass takes (`kernels.machines`), and the
plain form, which makes the calls that scikit-learn makes, in its order, and so has its bits.
`process_kernels` describes those of Gaussian processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component
from model_quantization.families.shared.kernel_parameters import NodeState, State, is_number, number
from model_quantization.graph.nodes import Node
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.linear.similarities import SIMILARITIES, similarity
from model_quantization.kernels.machines.known_rows import Step, is_possible
from model_quantization.values import Value

Plain: TypeAlias = Callable[[Array, Array | None], Array]
Diagonal: TypeAlias = Callable[[Array], Array]


class KernelFunction(Value, frozen=True):
    """A kernel between two sets of rows.

    Attributes
    ----------
    steps : tuple of Step
        As the compiled pass takes them.
    plain : callable
        `plain(x, y)` with scikit-learn's bits; `plain(x, None)` between the rows of x, with the
        noise that is between a row and itself only.
    diagonal : callable
        The kernel of each row with itself.
    """

    steps: tuple[Step, ...]
    plain: Plain
    diagonal: Diagonal


def machine_kernel_of_node(state: Mapping[str, Node]) -> KernelFunction | None:
    """Return the kernel of a support vector machine in a graph; None for a caller's own."""
    return _of_machine(NodeState("", state, None))


def machine_kernel(component: Component) -> KernelFunction | None:
    """Return the kernel of a support vector machine; None for one of the caller's own."""
    return _of_machine(component)


def _of_machine(state: State) -> KernelFunction | None:
    name = state.get("kernel")
    if not isinstance(name, str) or name not in ("linear", "rbf", "poly", "sigmoid"):
        return None
    gamma, offset, degree = (number(state, each) for each in ("_gamma", "coef0", "degree"))
    return named_kernel(name, gamma=gamma, coef0=offset, degree=degree)


def named_kernel(
    name: str, *, gamma: float | None, coef0: float | None, degree: float | None
) -> KernelFunction | None:
    """Return a kernel that depends on products or distances; None where a number is missing."""
    if name in ("linear", "cosine"):
        alone = ones if name == "cosine" else squared_lengths
        return made((Step("products"),), _between(lambda x, y: x @ y.T), alone)
    if gamma is None:
        return None
    if name == "rbf":
        steps = (Step("distances"), Step("exponential", -gamma))
        plain = _between(lambda x, y: np.exp(-gamma * squared_distances(x, y)))
        return made(steps, plain, ones)
    if coef0 is None:
        return None

    def shifted(products: Array) -> Array:
        return np.asarray(gamma * products + coef0)

    first = (Step("products"), Step("scale", gamma, coef0))
    if name == "sigmoid":
        return made(
            (*first, Step("tangent")),
            _between(lambda x, y: np.tanh(shifted(x @ y.T))),
            lambda x: np.asarray(np.tanh(shifted(squared_lengths(x)))),
        )
    if degree is None or degree != int(degree):
        return None
    return made(
        (*first, Step("power", power=int(degree))),
        _between(lambda x, y: shifted(x @ y.T) ** degree),
        lambda x: np.asarray(shifted(squared_lengths(x)) ** degree),
    )


def ones(x: Array) -> Array:
    """Return the similarity of each row with itself where that is always 1, (n,)."""
    return np.ones(len(x))


def pairwise_kernel(
    name: object, known: Array, parameters: Mapping[str, Any]
) -> tuple[KernelFunction, Callable[[Array], Array]] | None:
    """Return a kernel of `sklearn.metrics.pairwise`, and its values for rows against known ones.

    The values have scikit-learn's bits for float64 rows. None for a kernel that is not known here.

    Parameters
    ----------
    name : str
    known : float64 array of shape (n_known, n_features)
    parameters : mapping of str to float or None
        `gamma`, `coef0` and `degree`; None is scikit-learn's own choice.
    """
    if not isinstance(name, str) or name not in SIMILARITIES or not known.shape[1]:
        return None
    given = {key: value for key, value in parameters.items() if value is not None}
    if not all(is_number(value) for value in given.values()):
        return None
    chosen = {"gamma": 1.0 / known.shape[1], "coef0": 1.0, "degree": 3.0} | given
    function = named_kernel("poly" if name == "polynomial" else name, **chosen)
    return None if function is None else (function, similarity(name, known, **given))


def _between(plain: Callable[[Array, Array], Array]) -> Plain:
    return lambda x, y: np.asarray(plain(x, x if y is None else y))


def made(steps: tuple[Step, ...], plain: Plain, diagonal: Diagonal) -> KernelFunction | None:
    """Return a kernel of these steps; None where the compiled pass cannot take them."""
    if not is_possible(steps) or not all(isfinite(one) for s in steps for one in (s.a, s.b)):
        return None
    return KernelFunction(steps, plain, diagonal)


def squared_distances(x: Array, y: Array) -> Array:
    """Return the squared distance of each row of x from each of y."""
    return measured(x, y, "sqeuclidean")


def measured(x: Array, y: Array | None, metric: str) -> Array:
    """Return distances between two sets of rows, (n, m), or of each pair of one set, (n_pairs,)."""
    from scipy.spatial.distance import cdist, pdist

    return np.asarray(pdist(x, metric=metric) if y is None else cdist(x, y, metric=metric))
