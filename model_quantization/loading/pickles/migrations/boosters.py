"""Estimators of LightGBM: what its version 3 left at None and its version 4 counts with."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, Final

from model_quantization.errors import EnvironmentMismatch
from model_quantization.loading.pickles.migrations.steps import State, Step, installed

# A whole number of UBJSON: a letter for its width, and its bytes, the highest first.
_NUMBER: Final = rb"([iU].|I..|l.{4}|L.{8})"
_VERSION: Final = re.compile(rb"version\[#L\x00{7}\x03" + _NUMBER + _NUMBER, re.DOTALL)

_UNKNOWN: Final[dict[str, Any]] = {
    "_n_classes": -1,
    "_n_features": -1,
    "_n_features_in": -1,
    "_best_iteration": 0,
    "_fitted_with_feature_names": False,
}


def _counted(state: State) -> None:
    if state.get("_Booster") is not None:
        state.setdefault("fitted_", True)
    if state.get("_n_features_in") in (None, -1) and state.get("_n_features") is not None:
        state["_n_features_in"] = state["_n_features"]
    for name, value in _UNKNOWN.items():
        if state.get(name) is None:
            state[name] = value


def _readable(state: State) -> None:
    """Refuse what the installed XGBoost would not read, or would misread.

    XGBoost 1.6 writes UBJSON. What 1.3 to 1.5 wrote is JSON, whose model every version reads.
    None reads what a newer one wrote: 2.1 takes the start `[5E-1]` of 3.1 for another number, and
    says nothing.
    """
    handle = state.get("handle")
    data = b"" if handle is None else bytes(handle)
    if data[:1] == b"{" and not data[1:2].isalpha():
        state["handle"] = _from_json(data)
        return
    if data and data[:1] != b"{":
        raise ValueError(
            "XGBoost wrote this booster in the binary format of its versions before 1.3, which "
            "newer ones do not read; open it with XGBoost 1.3 to 2.1, and save it there again"
        )
    written, here = _written_by(data[-96:]), installed("xgboost")[:2]
    if here and written > here:
        raise EnvironmentMismatch(
            "the installed XGBoost is older than the one that saved the booster, and misreads it",
            expected="XGBoost {}.{} or newer".format(*written),
            got="XGBoost {}.{}".format(*here),
            do="install that version; what has a fast method is answered without XGBoost",
        )


def _later_parameters(state: State) -> None:
    """Parameters that came later; unset, they change nothing, and 1.5 began with categories."""
    from xgboost import XGBModel

    state.setdefault("enable_categorical", False)
    for name, parameter in inspect.signature(XGBModel.__init__).parameters.items():
        if name not in ("self", "kwargs"):
            state.setdefault(name, parameter.default)


def _one_text(state: State) -> None:
    """One text of the model: LightGBM 4 reads it under either name, and keeps the older beside."""
    text = state.pop("handle", None)
    if text is not None:
        state.setdefault("_handle", text)


def _from_json(data: bytes) -> bytearray:
    """A booster's model and settings in JSON, as the installed XGBoost writes it."""
    from xgboost import Booster

    snapshot = json.loads(data)
    made = Booster()
    made.load_model(bytearray(json.dumps(snapshot.get("Model", snapshot)).encode()))
    again: bytearray = made.__getstate__()["handle"]
    return again


def _written_by(end: bytes) -> tuple[int, ...]:
    """Major and minor version at the end of a booster's UBJSON: `version[#L<3>i<3>i<2>i<0>`."""
    found = _VERSION.search(end)
    return tuple(int.from_bytes(part[1:], "big") for part in found.groups()) if found else ()


STEPS: Final = (
    Step(
        ("xgboost.sklearn:XGBModel",),
        "",
        "XGBoost 1.5 to 3: parameters were added to the estimators",
        _later_parameters,
    ),
    Step(
        ("lightgbm.basic:Booster",),
        "",
        "LightGBM 4.0: attributes of a booster are private",
        _one_text,
    ),
    Step(
        ("xgboost.core:Booster",),
        "",
        "XGBoost 1.6: boosters are saved as UBJSON",
        _readable,
    ),
    Step(
        ("lightgbm.sklearn:LGBMModel",),
        "",
        "LightGBM 4.0: counts that are not known are -1, no longer None",
        _counted,
    ),
)
