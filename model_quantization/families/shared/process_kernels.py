"""The kernels of scikit-learn's Gaussian processes, described as in `kernel_functions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any, Final

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Arrays, Component
from model_quantization.families.shared.kernel_functions import (
    KernelFunction,
    made,
    measured,
    ones,
)
from model_quantization.families.shared.kernel_parameters import NodeState, State, is_number
from model_quantization.graph.nodes import Node, ObjectNode, attributes
from model_quantization.kernels.arrays import squared_lengths
from model_quantization.kernels.machines.known_rows import Step

_MODULE: Final = "sklearn.gaussian_process.kernels:"


def kernel_of_node(node: Node, arrays: Arrays) -> KernelFunction | None:
    """Return the kernel of a Gaussian process in a graph; None for one that is not known here."""
    if not isinstance(node, ObjectNode):
        return None
    return _of_process(NodeState(node.type, attributes(node), arrays))


def kernel_of_component(component: object) -> KernelFunction | None:
    """Return the kernel of a Gaussian process in an artifact; None for one that is not known."""
    return _of_process(component) if isinstance(component, Component) else None


def _of_process(state: object) -> KernelFunction | None:
    kind = getattr(state, "type", None)
    if not isinstance(kind, str) or not kind.startswith(_MODULE):
        return None
    make = _PROCESSES.get(kind.removeprefix(_MODULE))
    return None if make is None else make(state)


def _joined(state: State, step: str, join: Callable[[Any, Any], Any]) -> KernelFunction | None:
    first, second = _of_process(state.get("k1")), _of_process(state.get("k2"))
    if first is None or second is None:
        return None
    return made(
        (*first.steps, *second.steps, Step(step)),
        lambda x, y: join(first.plain(x, y), second.plain(x, y)),
        lambda x: join(first.diagonal(x), second.diagonal(x)),
    )


def _raised(state: State) -> KernelFunction | None:
    inner, power = _of_process(state.get("kernel")), state.get("exponent")
    if inner is None or not is_number(power):
        return None
    more: tuple[Step, ...]
    if power == int(power) and power >= 0:
        more = (Step("power", power=int(power)),)
    else:  # of positive similarities; others give NaN, which no answer is made of
        more = (Step("logarithm"), Step("exponential", float(power)))
    return made(
        (*inner.steps, *more),
        lambda x, y: inner.plain(x, y) ** power,
        lambda x: inner.diagonal(x) ** power,
    )


def _constant(state: State) -> KernelFunction | None:
    value = state.get("constant_value")
    if not is_number(value):
        return None

    def filled(*shape: int) -> Array:
        return np.full(shape, value, dtype=np.array(value).dtype)

    return made(
        (Step("constant", float(value)),),
        lambda x, y: filled(len(x), len(x if y is None else y)),
        lambda x: filled(len(x)),
    )


def _noise(state: State) -> KernelFunction | None:
    level = state.get("noise_level")
    if not is_number(level):
        return None
    return made(
        (Step("constant", 0.0),),
        lambda x, y: level * np.eye(len(x)) if y is None else np.zeros((len(x), len(y))),
        lambda x: np.full(len(x), level, dtype=np.array(level).dtype),
    )


def _radial(state: State) -> KernelFunction | None:
    length = _lengths(state)
    if length is None:
        return None

    def plain(x: Array, y: Array | None) -> Array:
        squared = measured(x / length, None if y is None else y / length, "sqeuclidean")
        return _square(np.exp(-0.5 * squared))

    return made((_scaled(length), Step("exponential", -0.5)), plain, ones)


def _matern(state: State) -> KernelFunction | None:
    length, nu = _lengths(state), state.get("nu")
    if length is None or not is_number(nu) or nu not in _MATERN:
        return None
    steps, of_distances = _MATERN[float(nu)]

    def plain(x: Array, y: Array | None) -> Array:
        distances = measured(x / length, None if y is None else y / length, "euclidean")
        return _square(of_distances(distances))

    return made((_scaled(length), *steps), plain, ones)


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


def _rational(state: State) -> KernelFunction | None:
    numbers = _nonzero(state, "length_scale", "alpha")
    if numbers is None:
        return None
    length, alpha = numbers

    def plain(x: Array, y: Array | None) -> Array:
        squared = _square(measured(x, y, "sqeuclidean"), 0)
        return np.asarray((1 + squared / (2 * alpha * length**2)) ** -alpha)

    steps = (
        Step("distances"),
        Step("scale", float(1 / (2 * alpha * length**2))),
        Step("logarithm", 1.0),
        Step("exponential", float(-alpha)),
    )
    return made(steps, plain, ones)


def _periodic(state: State) -> KernelFunction | None:
    numbers = _nonzero(state, "length_scale", "periodicity")
    if numbers is None:
        return None
    length, period = numbers

    def plain(x: Array, y: Array | None) -> Array:
        far = _square(measured(x, y, "euclidean"), 0)
        # scikit-learn multiplies in this order; another one gives other last bits.
        angles = np.pi * far / period if y is None else np.pi / period * far
        return np.asarray(np.exp(-2 * (np.sin(angles) / length) ** 2))

    steps = (
        Step("distances"),
        Step("root"),
        Step("scale", float(pi / period)),
        Step("sine squared"),
        Step("exponential", float(-2 / length**2)),
    )
    return made(steps, plain, ones)


def _dot_product(state: State) -> KernelFunction | None:
    sigma = state.get("sigma_0")
    if not is_number(sigma):
        return None
    return made(
        (Step("products"), Step("scale", 1.0, float(sigma**2))),
        lambda x, y: np.asarray(np.inner(x, x if y is None else y) + sigma**2),
        lambda x: np.asarray(squared_lengths(x) + sigma**2),
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


def _square(found: Array, diagonal: float = 1) -> Array:
    """Values of each pair of rows as a matrix; others as they are."""
    if found.ndim == 2:
        return found
    from scipy.spatial.distance import squareform

    matrix = squareform(found)
    np.fill_diagonal(matrix, diagonal)
    return np.asarray(matrix)


def _nonzero(state: State, *names: str) -> list[float] | None:
    """Parameters that are numbers which scikit-learn divides by; None where one is not."""
    values = [state.get(name) for name in names]
    return values if all(is_number(value) and value for value in values) else None


def _lengths(state: State) -> Array | None:
    """One length or one per feature, as scikit-learn divides by them; None for others."""
    given = state.get("length_scale")
    if not (is_number(given) or isinstance(given, np.ndarray)):
        return None
    length = np.squeeze(given).astype(float)
    usable = length.ndim <= 1 and bool(np.isfinite(length).all() and (length != 0).all())
    return length if usable else None
