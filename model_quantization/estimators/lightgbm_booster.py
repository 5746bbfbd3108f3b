"""Boosters of other libraries, kept in their own format and rebuilt from it alone.

XGBoost's and CatBoost's estimators keep their models as bytes in their state, so what holds for any
estimator is enough for them. LightGBM keeps a text of megabytes; here it becomes bytes, which are
stored compressed like any array. None of the libraries is imported unless a model needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from model_quantization.errors import EnvironmentMismatch, SemanticError

LIGHTGBM_BOOSTER = "lightgbm.basic:Booster"
RESTORED_LIGHTGBM = "model_quantization.estimators.slim_lightgbm:RestoredLightGBM"

_HANDLE = "_handle"


def booster_state(booster: Any) -> dict[str, Any]:
    """A LightGBM booster as data: its text as bytes under `text`, what else it holds under `state`.

    Raises
    ------
    TypeError
        It holds no model.
    """
    state: dict[str, Any] = booster.__getstate__()
    text = state.pop(_HANDLE)
    if not isinstance(text, str):
        raise TypeError("a LightGBM booster without a model")
    return {"text": text.encode(), "state": state}


def make_restored_booster(state: Any, path: str) -> Any:
    """The booster of a text that pooled trees were written to (see `make_booster`)."""
    return make_booster(state, path, RESTORED_LIGHTGBM)


def make_booster(state: Any, path: str, cls: str = LIGHTGBM_BOOSTER) -> Any:
    """The LightGBM booster of this state.

    Raises
    ------
    EnvironmentMismatch
        LightGBM is not installed.
    SemanticError
        The state is not that of a booster, or LightGBM refuses the text.
    """
    if (
        not isinstance(state, dict)
        or set(state) != {"text", "state"}
        or not isinstance(state["text"], bytes)
        or not isinstance(state["state"], dict)
        or _HANDLE in state["state"]
    ):
        raise SemanticError("not a LightGBM booster", where=path)
    module, _, name = cls.partition(":")
    try:
        from lightgbm.basic import LightGBMError

        kind = getattr(import_module(module), name)
    except ImportError as error:
        raise EnvironmentMismatch(
            "LightGBM is not installed here",
            where=path,
            got=str(error),
            do="install the extra `boosters`",
        ) from error
    made = kind.__new__(kind)
    try:
        made.__setstate__({**state["state"], _HANDLE: state["text"].decode()})
    except (LightGBMError, UnicodeDecodeError) as error:
        raise SemanticError(
            "LightGBM does not read the model",
            where=path,
            got=f"{type(error).__name__}: {error}"[:200],
            do="quantize the original again",
        ) from error
    return made
