"""The kernels of scikit-learn's machines, Gaussian processes and pairwise functions.

One description of each: the steps that the compiled pass takes (`kernels.machines`), and the plain
form, which makes the calls that scikit-learn makes, in its order, and so has its bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, pi, sqrt
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays, Component
from model_quantization.graph.nodes import ArrayNode, Node, ObjectNode, ScalarNode, attributes
from model_quantization.graph.values import scalar_value
from model_quantization.kernels.linear.similarities import SIMILARITIES, similarity
from model_quantization.kernels.machines.known_rows import Step, is_possible
from model_quantization.values import Value

Plain: TypeAlias = Callable[[Array, Array | None], Array]
Diagonal: TypeAlias = Callable[[Array], Array]
_MODULE: Final = "sklearn.gaussian_process.kernels:"


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


class _State(Protocol):
    """What a kernel is read from: a component of an artifact, or a node of a graph."""

    @property
    def type(self) -> str:
        """The class, `module:qualname`."""

    def get(self, name: str) -> Any:
        """A parameter: a number, an array, text or another state; None where there is none."""


class _NodeState:
    """A node of a graph, read as a component is."""

    def __init__(self, kind: str, state: Mapping[str, Node], arrays: Arrays | None) -> None:
        self.type = kind
        self._state = state
        self._arrays = arrays

    def get(self, name: str) -> Any:
        node = self._state.get(name)
        if isinstance(node, ScalarNode):
            return scalar_value(node.dtype, node.data, name)
        if isinstance(node, ArrayNode):
            return None if self._arrays is None else self._arrays[node.array]
        if isinstance(node, ObjectNode):
            return _NodeState(node.type, attributes(node), self._arrays)
        return node


def kernel_of_node(node: Node, arrays: Arrays) -> KernelFunction | None:
    """Return the kernel of a Gaussian process in a graph; None for one that is not known here."""
    if not isinstance(node, ObjectNode):
        return None
    return _of_process(_NodeState(node.type, attributes(node), arrays))


def kernel_of_component(component: object) -> KernelFunction | None:
    """Return the kernel of a Gaussian process in an artifact; None for one that is not known."""
    return _of_process(component) if isinstance(component, Component) else None


def machine_kernel_of_node(state: Mapping[str, Node]) -> KernelFunction | None:
    """Return the kernel of a support vector machine in a graph; None for a caller's own."""
    return _of_machine(_NodeState("", state, None))


def machine_kernel(component: Component) -> KernelFunction | None:
    """Return the kernel of a support vector machine; None for one of the caller's own."""
    return _of_machine(component)


# Support vector machines and pairwise functions ---------------------------------------------


def _of_machine(state: _State) -> KernelFunction | None:
    name = state.get("kernel")
    if not isinstance(name, str) or name not in ("linear", "rbf", "poly", "sigmoid"):
        return None
    gamma, offset, degree = (_number(state, each) for each in ("_gamma", "coef0", "degree"))
    return named_kernel(name, gamma=gamma, coef0=offset, degree=degree)


def named_kernel(
    name: str, *, gamma: float | None, coef0: float | None, degree: float | None
) -> KernelFunction | None:
    """Return a kernel that depends on products or distances; None where a number is missing."""
    steps: tuple[Step, ...]
    plain: Plain
    if name in ("linear", "cosine"):
        return _made((Step("products"),), _between(lambda x, y: x @ y.T))
    if gamma is None:
        return None
    if name == "rbf":
        steps = (Step("distances"), Step("exponential", -gamma))
        return _made(steps, _between(lambda x, y: np.exp(-gamma * squared_distances(x, y))))
    if coef0 is None:
        return None
    first = (Step("products"), Step("scale", gamma, coef0))
    if name == "sigmoid":
        plain = _between(lambda x, y: np.tanh(gamma * (x @ y.T) + coef0))
        return _made((*first, Step("tangent")), plain)
    if degree is None or degree != int(degree):
        return None
    plain = _between(lambda x, y: (gamma * (x @ y.T) + coef0) ** degree)
    return _made((*first, Step("power", power=int(degree))), plain)


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
    if not all(_is_number(value) for value in given.values()):
        return None
    chosen = {"gamma": 1.0 / known.shape[1], "coef0": 1.0, "degree": 3.0} | given
    function = named_kernel("poly" if name == "polynomial" else name, **chosen)
    return None if function is None else (function, similarity(name, known, **given))


def _between(plain: Callable[[Array, Array], Array]) -> Plain:
    return lambda x, y: np.asarray(plain(x, x if y is None else y))


def _made(
    steps: tuple[Step, ...], plain: Plain, diagonal: Diagonal | None = None
) -> KernelFunction | None:
    if not is_possible(steps) or not all(isfinite(number) for s in steps for number in (s.a, s.b)):
        return None
    return KernelFunction(steps, plain, diagonal or _diagonal_of(plain))


def _diagonal_of(plain: Plain) -> Diagonal:
    return lambda x: np.array([plain(row[np.newaxis], row[np.newaxis])[0, 0] for row in x])


# Gaussian processes -------------------------------------------------------------------------


def _of_process(state: object) -> KernelFunction | None:
    kind = getattr(state, "type", None)
    if not isinstance(kind, str) or not kind.startswith(_MODULE):
        return None
    make = _PROCESSES.get(kind.removeprefix(_MODULE))
    return None if make is None else make(state)


def _joined(state: _State, step: str, join: Callable[[Any, Any], Any]) -> KernelFunction | None:
    first, second = _of_process(state.get("k1")), _of_process(state.get("k2"))
    if first is None or second is None:
        return None
    return _made(
        (*first.steps, *second.steps, Step(step)),
        lambda x, y: join(first.plain(x, y), second.plain(x, y)),
        lambda x: join(first.diagonal(x), second.diagonal(x)),
    )


def _raised(state: _State) -> KernelFunction | None:
    inner, power = _of_process(state.get("kernel")), state.get("exponent")
    if inner is None or not _is_number(power):
        return None
    if power == int(power) and power >= 0:
        more = (Step("power", power=int(power)),)
    else:  # of positive similarities; others give NaN, which no answer is made of
        more = (Step("logarithm"), Step("exponential", float(power)))
    return _made(
        (*inner.steps, *more),
        lambda x, y: inner.plain(x, y) ** power,
        lambda x: inner.diagonal(x) ** power,
    )


def _constant(state: _State) -> KernelFunction | None:
    value = state.get("constant_value")
    if not _is_number(value):
        return None

    def filled(*shape: int) -> Array:
        return np.full(shape, value, dtype=np.array(value).dtype)

    return _made(
        (Step("constant", float(value)),),
        lambda x, y: filled(len(x), len(x if y is None else y)),
        lambda x: filled(len(x)),
    )


def _noise(state: _State) -> KernelFunction | None:
    level = state.get("noise_level")
    if not _is_number(level):
        return None
    return _made(
        (Step("constant", 0.0),),
        lambda x, y: level * np.eye(len(x)) if y is None else np.zeros((len(x), len(y))),
        lambda x: np.full(len(x), level, dtype=np.array(level).dtype),
    )


def _ones(x: Array) -> Array:
    return np.ones(len(x))


def _radial(state: _State) -> KernelFunction | None:
    length = _lengths(state)
    if length is None:
        return None

    def plain(x: Array, y: Array | None) -> Array:
        squared = _distances(x / length, None if y is None else y / length, "sqeuclidean")
        return _square(np.exp(-0.5 * squared))

    return _made((_scaled(length), Step("exponential", -0.5)), plain, _ones)


def _matern(state: _State) -> KernelFunction | None:
    length, nu = _lengths(state), state.get("nu")
    if length is None or not _is_number(nu) or nu not in _MATERN:
        return None
    steps, of_distances = _MATERN[float(nu)]

    def plain(x: Array, y: Array | None) -> Array:
        distances = _distances(x / length, None if y is None else y / length, "euclidean")
        return _square(of_distances(distances))

    return _made((_scaled(length), *steps), plain, _ones)


def _matern_3(distances: Array) -> Array:
    found = distances * sqrt(3)
    return (1.0 + found) * np.exp(-found)


def _matern_5(distances: Array) -> Array:
    found = distances * sqrt(5)
    return (1.0 + found + found**2 / 3.0) * np.exp(-found)


_MATERN: Final[Mapping[float, tuple[tuple[Step, ...], Callable[[Array], Array]]]] = {
    0.5: ((Step("root"), Step("exponential", -1.0)), lambda d: np.asarray(np.exp(-d))),
    1.5: ((Step("root"), Step("scale", sqrt(3)), Step("matern 3")), _matern_3),
    2.5: ((Step("root"), Step("scale", sqrt(5)), Step("matern 5")), _matern_5),
    float("inf"): (
        (Step("exponential", -0.5),),
        lambda d: np.asarray(np.exp(-(d**2) / 2.0)),
    ),
}


def _rational(state: _State) -> KernelFunction | None:
    length, alpha = state.get("length_scale"), state.get("alpha")
    if not _is_number(length) or not _is_number(alpha) or not length or not alpha:
        return None

    def plain(x: Array, y: Array | None) -> Array:
        if y is None:
            base = 1 + _square(_distances(x, None, "sqeuclidean"), 0) / (2 * alpha * length**2)
            found = base**-alpha
            np.fill_diagonal(found, 1)
            return np.asarray(found)
        return np.asarray((1 + _distances(x, y, "sqeuclidean") / (2 * alpha * length**2)) ** -alpha)

    steps = (
        Step("distances"),
        Step("scale", float(1 / (2 * alpha * length**2))),
        Step("logarithm", 1.0),
        Step("exponential", float(-alpha)),
    )
    return _made(steps, plain, _ones)


def _periodic(state: _State) -> KernelFunction | None:
    length, period = state.get("length_scale"), state.get("periodicity")
    if not _is_number(length) or not _is_number(period) or not length or not period:
        return None

    def plain(x: Array, y: Array | None) -> Array:
        if y is None:
            angles = np.pi * _square(_distances(x, None, "euclidean"), 0) / period
            return np.asarray(np.exp(-2 * (np.sin(angles) / length) ** 2))
        sines = np.sin(np.pi / period * _distances(x, y, "euclidean"))
        return np.asarray(np.exp(-2 * (sines / length) ** 2))

    steps = (
        Step("distances"),
        Step("root"),
        Step("scale", float(pi / period)),
        Step("sine squared"),
        Step("exponential", float(-2 / length**2)),
    )
    return _made(steps, plain, _ones)


def _dot_product(state: _State) -> KernelFunction | None:
    sigma = state.get("sigma_0")
    if not _is_number(sigma):
        return None
    return _made(
        (Step("products"), Step("scale", 1.0, float(sigma**2))),
        lambda x, y: np.asarray(np.inner(x, x if y is None else y) + sigma**2),
        lambda x: np.asarray(np.einsum("ij,ij->i", x, x) + sigma**2),
    )


_PROCESSES: Final[Mapping[str, Callable[[Any], KernelFunction | None]]] = {
    "Sum": lambda state: _joined(state, "add", lambda one, other: one + other),
    "Product": lambda state: _joined(state, "multiply", lambda one, other: one * other),
    "Exponentiation": _raised,
    "ConstantKernel": _constant,
    "WhiteKernel": _noise,
    "RBF": _radial,
    "Matern": _matern,
    "RationalQuadratic": _rational,
    "ExpSineSquared": _periodic,
    "DotProduct": _dot_product,
}


def _scaled(length: Array) -> Step:
    return Step("distances", scale=1.0 / length)


def squared_distances(x: Array, y: Array) -> Array:
    """The squared distance of each row of x from each of y."""
    return _distances(x, y, "sqeuclidean")


def _distances(x: Array, y: Array | None, metric: str) -> Array:
    """Distances between two sets of rows, or of each pair of one set, as scipy gives them."""
    from scipy.spatial.distance import cdist, pdist

    return np.asarray(pdist(x, metric=metric) if y is None else cdist(x, y, metric=metric))


def _square(found: Array, diagonal: float = 1) -> Array:
    """Values of each pair of rows as a matrix; others as they are."""
    if found.ndim == 2:
        return found
    from scipy.spatial.distance import squareform

    matrix = squareform(found)
    np.fill_diagonal(matrix, diagonal)
    return np.asarray(matrix)


def _lengths(state: _State) -> Array | None:
    """One length or one per feature, as scikit-learn divides by them; None for others."""
    given = state.get("length_scale")
    if not (_is_number(given) or isinstance(given, np.ndarray)):
        return None
    length = np.squeeze(given).astype(float)
    usable = length.ndim <= 1 and bool(np.isfinite(length).all() and (length != 0).all())
    return length if usable else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _number(state: _State, name: str) -> float | None:
    value = state.get(name)
    return float(value) if _is_number(value) else None
