"""Layers of a multi-layer perceptron, operation for operation as scikit-learn has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.linear.linear import logistic, softmax


def forward(
    rows: Array, weights: Sequence[Array], biases: Sequence[Array], hidden: str, output: str
) -> Array:
    """Return the activations of the last layer.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
    weights : sequence of ndarray of shape (n_in, n_out)
    biases : sequence of ndarray of shape (n_out,)
    hidden, output : str
        Activation of the hidden layers, and of the last: a name of `ACTIVATIONS`.

    Returns
    -------
    ndarray of shape (n, n_outputs)
    """
    return forward_from(rows @ weights[0], weights, biases, hidden, output)


def forward_from(
    sums: Array, weights: Sequence[Array], biases: Sequence[Array], hidden: str, output: str
) -> Array:
    """As `forward`, from the product of the rows with the first layer's weights; it is written to.

    Parameters
    ----------
    sums : ndarray of shape (n, n_out) of the first layer
    weights, biases, hidden, output
        As `forward` takes them.
    """
    last = len(weights) - 1
    activation = sums
    for layer, bias in enumerate(biases):
        if layer:
            activation = activation @ weights[layer]
        activation += bias
        activation = ACTIVATIONS[hidden if layer != last else output](activation)
    return activation


def _identity(values: Array) -> Array:
    return values


def _relu(values: Array) -> Array:
    out: Array = np.maximum(values, 0, out=values)
    return out


def _tanh(values: Array) -> Array:
    out: Array = np.tanh(values, out=values)
    return out


# In place where they can be: a layer's input is not needed once its output is there.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": _identity,
    "relu": _relu,
    "tanh": _tanh,
    "logistic": logistic,
    "softmax": softmax,
}
