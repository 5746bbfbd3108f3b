"""The state of an object: the part that a fitted model needs, and its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from model_quantization.estimators.builders import SPLINE
from model_quantization.estimators.distributions import distribution_kind, distribution_state
from model_quantization.estimators.lightgbm_booster import (
    LIGHTGBM_BOOSTER,
    RESTORED_LIGHTGBM,
    booster_state,
)
from model_quantization.estimators.tables import STATES, pandas_name
from model_quantization.families import family_of
from model_quantization.loading.pickles.migrations.steps import installed

_LOGISTIC = (
    "sklearn.linear_model._logistic:LogisticRegression",
    "sklearn.linear_model._logistic:LogisticRegressionCV",
)


def _random_state(value: Any) -> Any:
    return value.get_state(legacy=False)


def _generator(value: Any) -> Any:
    return value.bit_generator.state


def _masked(value: Any) -> Any:
    return {"data": np.asarray(value.data), "mask": value.mask, "fill_value": value.fill_value}


def _spline(value: Any) -> dict[str, Any]:
    return {
        "t": np.asarray(value.t),
        "c": np.asarray(value.c),
        "k": int(value.k),
        "extrapolate": bool(value.extrapolate),
        "axis": int(value.axis),
    }


# Classes whose state is taken by their own interface; `restore` has the way back.
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    LIGHTGBM_BOOSTER: booster_state,
    RESTORED_LIGHTGBM: booster_state,
    SPLINE: _spline,
    "numpy.random.mtrand:RandomState": _random_state,
    "numpy.random._generator:Generator": _generator,
    "numpy.ma:MaskedArray": _masked,
    "numpy.ma.core:MaskedArray": _masked,
}

# Classes that cache results of fitting: they open files in a directory, and answer no row.
LEFT_OUT: dict[str, str] = {
    "joblib.memory:Memory": "where the results of fitting were kept; only `fit` looks there"
}
_ROUTED = frozenset(
    f"sklearn.utils._metadata_requests:{name}"
    for name in ("MetadataRequest", "MethodMetadataRequest")
)


def own_interface(value: Any, name: str) -> tuple[str, Callable[[Any], Any]] | None:
    """(name in the graph, function for the state) of a class with a public interface for it."""
    if name in _SPECIAL:
        return name, _SPECIAL[name]
    table = pandas_name(type(value))
    if table:
        return table, STATES[table]
    kind = distribution_kind(value)
    return (kind, distribution_state) if kind else None


def kept_state(
    name: str, state: dict[Any, Any], dropped: Callable[[str, str], None]
) -> dict[Any, Any]:
    """The attributes that a method of the fitted object needs.

    Parameters
    ----------
    name : str
        The class, `module:qualname`.
    state : dict
    dropped : callable
        Called with the name of each attribute that is left out, and a note on it.
    """
    notes = family_of(name).dropped
    kept = {}
    for key, item in state.items():
        if name in _ROUTED and key == "owner" and not isinstance(item, str):
            continue  # the estimator that holds the requests: restored as that
        note = _note_of(notes, key)
        if note is not None:
            dropped(str(key), note)
        elif not _is_stale(name, key):
            kept[key] = item
    return kept


def _is_stale(name: str, key: Any) -> bool:
    """Whether an older version left this attribute and the installed one no longer reads it."""
    if key == "_sklearn_version":  # the artifact names the version once
        return True
    return key == "multi_class" and name in _LOGISTIC and installed("sklearn") >= (1, 8)


def _note_of(notes: Mapping[str, str], key: Any) -> str | None:
    if isinstance(key, str):
        for pattern, note in notes.items():
            if fnmatchcase(key, pattern):
                return note
    return None
