"""How many features a model was fitted on, which versions before 0.23 did not write down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from model_quantization.loading.pickles.migrations.steps import State, Step

# Attribute -> how to read the number from it.
_TOLD_BY: Final[dict[str, Callable[[Any], int]]] = {
    "n_features_": int,
    "shape_fit_": lambda shape: int(shape[1]),
    "coefs_": lambda layers: int(layers[0].shape[0]),
    "cluster_centers_": lambda centers: int(centers.shape[1]),
    "estimators_features_": lambda features: max(int(each.max()) for each in features) + 1,
}


def _width(state: State) -> None:
    for name, told in _TOLD_BY.items():
        if name in state and "n_features_in_" not in state:
            state["n_features_in_"] = told(state[name])


STEPS: Final = (
    Step(
        (
            "sklearn.cluster._kmeans:KMeans",
            "sklearn.cluster._kmeans:MiniBatchKMeans",
            "sklearn.ensemble._gb:BaseGradientBoosting",
            "sklearn.ensemble._iforest:IsolationForest",
            "sklearn.neural_network._multilayer_perceptron:BaseMultilayerPerceptron",
            "sklearn.svm._base:BaseLibSVM",
        ),
        "0.23",
        "0.23: estimators know n_features_in_",
        _width,
    ),
)
