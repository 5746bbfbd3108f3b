"""Old names of classes and functions, with today's.

A file names what it holds. An old name is replaced by today's before it is checked against the
allow-list, so that the list has one name per thing, and nothing of the old name is imported:
`_loss`, which scikit-learn 1.5 to 1.8 wrote by mistake of its build, could be any file on the path.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Final

_METRICS: Final = (
    "BrayCurtisDistance", "CanberraDistance", "ChebyshevDistance", "DiceDistance",
    "EuclideanDistance", "HammingDistance", "HaversineDistance", "JaccardDistance",
    "MahalanobisDistance", "ManhattanDistance", "MinkowskiDistance", "PyFuncDistance",
    "RogersTanimotoDistance", "RussellRaoDistance", "SEuclideanDistance", "SokalMichenerDistance",
    "SokalSneathDistance", "WMinkowskiDistance",
)  # fmt: skip
SCORERS: Final = {
    "sklearn.metrics._scorer:_PredictScorer": "predict",
    "sklearn.metrics._scorer:_ProbaScorer": "predict_proba",
    "sklearn.metrics._scorer:_ThresholdScorer": ("decision_function", "predict_proba"),
}
COLUMN_LIST: Final = "sklearn.compose._column_transformer:_RemainderColsList"
PASSTHROUGH_SCORER: Final = "sklearn.metrics._scorer:_passthrough_scorer"

# Distributions of scipy that a search draws from, with their parameters. Reading one runs code
# that its state holds, so that none is made: the text that makes it stands for it.
_FROZEN: Final = "scipy.stats._distn_infrastructure"
DISTRIBUTIONS: Final = frozenset(
    f"{_FROZEN}:rv_{kind}_frozen" for kind in ("continuous", "discrete")
)
# How numpy before 1.25 wrote a ufunc: by a call with the names of its module and itself.
UFUNC: Final = "numpy._core:_ufunc_reconstruct"


def distribution_text(name: str, args: Iterable[Any], keywords: Mapping[str, Any]) -> str:
    """The call that makes a distribution.

    Examples
    --------
    >>> distribution_text("loguniform", (0.1, 10.0), {})
    'scipy.stats.loguniform(0.1, 10.0)'
    """
    given = [repr(arg) for arg in args] + [f"{key}={arg!r}" for key, arg in keywords.items()]
    return f"scipy.stats.{name}({', '.join(given)})"


def _aliases() -> dict[str, str]:
    found = {}
    for name in _METRICS:
        today = f"sklearn.metrics._dist_metrics:{name}64"
        for module in ("sklearn.metrics._dist_metrics", "sklearn.neighbors._dist_metrics"):
            found[f"{module}:{name}"] = today
    for module in ("sklearn.neighbors.dist_metrics", "sklearn.neighbors._dist_metrics"):
        found[f"{module}:newObj"] = "sklearn.metrics._dist_metrics:newObj"
    for kind in ("kd_tree", "ball_tree"):
        for name in ("newObj", "KDTree", "BallTree"):
            found[f"sklearn.neighbors.{kind}:{name}"] = f"sklearn.neighbors._{kind}:{name}"
    found["sklearn.preprocessing._data:PolynomialFeatures"] = (
        "sklearn.preprocessing._polynomial:PolynomialFeatures"
    )
    found["sklearn.cross_decomposition._cca:CCA"] = "sklearn.cross_decomposition._pls:CCA"
    found["numpy.core:_ufunc_reconstruct"] = UFUNC
    found["xgboost.compat:XGBoostLabelEncoder"] = "sklearn.preprocessing._label:LabelEncoder"
    curve = "sklearn.model_selection._classification_threshold:_CurveScorer"
    found[curve] = "sklearn.metrics._scorer:_CurveScorer"
    return found


_ALIASES: Final = _aliases()


@functools.lru_cache(maxsize=4096)
def current_name(name: str) -> str:
    """Today's name of what a file calls `name` (`module:qualname`).

    Examples
    --------
    >>> current_name("numpy.core._multiarray_umath:log1p")
    'numpy:log1p'
    >>> current_name("_loss:CyHalfBinomialLoss")
    'sklearn._loss._loss:CyHalfBinomialLoss'
    """
    known = _ALIASES.get(name)
    if known is not None:
        return known
    module, _, qualname = name.partition(":")
    if module in ("numpy.core._multiarray_umath", "numpy._core._multiarray_umath"):
        return f"numpy:{qualname}"
    if module.startswith("numpy.core."):
        return f"numpy._core.{module.removeprefix('numpy.core.')}:{qualname}"
    if module == "_loss":
        return f"sklearn._loss._loss:{qualname}"
    return name
