"""The meanings of the models in `as_saved`, and the scikit-learn release that dropped each."""

from __future__ import annotations

from typing import Final

from model_quantization.errors import EnvironmentMismatch
from model_quantization.loading.pickles.migrations.steps import (
    AS_SAVED,
    installed,
    installed_version,
    parse_release,
)

# Class of `as_saved` -> what it means, and the release of scikit-learn that no longer can.
MEANINGS: Final = {
    "HighestScoreRidgeCV": ("one label of several, that of the highest score", "1.0"),
    "LastOfTiesOneVsRest": ("of equal scores the last class wins", "1.8"),
    "NearestOfCentroids": ("the nearest centroid, without priors of classes", "1.6"),
    "OneVsRestLogistic": ("logistic regression of one problem per class", "1.8"),
    "OneVsRestLogisticCV": ("logistic regression of one problem per class", "1.8"),
    "ProbabilityAdaBoost": ("AdaBoost by probabilities, SAMME.R", "1.6"),
    "SoftmaxOfTwoLogistic": ("multinomial logistic regression of two classes", "1.8"),
    "SoftmaxOfTwoLogisticCV": ("multinomial logistic regression of two classes", "1.8"),
    "UnsharedOneVsRest": ("no share where all are zero; of equal scores the last wins", "1.7"),
    "UncentredGradientBoosting": ("boosting that starts at uncentred logarithms", "1.4"),
    "VotingAdaBoost": ("AdaBoost by votes without negative ones", "1.3"),
}


# Classes whose meaning changed with nothing in their state that says so: under the older version
# they are captured as what they mean. The oldest meaning first.
_MEANT: Final = {
    "sklearn.multiclass:OneVsRestClassifier": ("UnsharedOneVsRest", "LastOfTiesOneVsRest")
}


def captured_type(name: str) -> str:
    """The class in a graph of a live object of the class `name`, by its meaning here.

    Examples
    --------
    Under scikit-learn 1.7 `sklearn.multiclass:OneVsRestClassifier` is `LastOfTiesOneVsRest`.
    """
    for meaning in _MEANT.get(name, ()):
        if installed("sklearn") < parse_release(MEANINGS[meaning][1]):
            return f"{AS_SAVED}:{meaning}"
    return name


def class_here(cls: type) -> type:
    """The installed class of what `captured_type` renamed, where it means the same; else `cls`."""
    if cls.__module__ == AS_SAVED:
        for name, meanings in _MEANT.items():
            if cls.__name__ in meanings and captured_type(name) == f"{AS_SAVED}:{cls.__name__}":
                return next(base for base in cls.__mro__ if base.__module__ != AS_SAVED)
    return cls


def inexpressible(name: str, where: str) -> EnvironmentMismatch:
    """The error for a model that answers as an older version did, by its class in `as_saved`."""
    meaning, release = MEANINGS[name]
    return EnvironmentMismatch(
        f"scikit-learn {installed_version()} cannot say what this model means: {meaning}",
        where=where or "model",
        expected=f"scikit-learn below {release}",
        got=f"scikit-learn {installed_version()}",
        do="ask the quantized model itself, which answers as the version that saved it did; or "
        f"open the original where scikit-learn is older than {release}",
    )
