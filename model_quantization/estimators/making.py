"""One object of a class: made without its constructor, given its state, filled with its entries.

No class is called, but for a few that keep their arguments and do nothing else (`_CONSTRUCTED`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

from model_quantization.errors import EnvironmentMismatch, SemanticError
from model_quantization.graph.values import MISFITS, refusals

# Containers and extension types whose __init__ keeps its arguments, and does nothing else.
_CONSTRUCTED = frozenset(f"collections:{name}" for name in ("Counter", "defaultdict", "deque"))
_CONSTRUCTED |= frozenset(
    f"sklearn._loss._loss:{name}"
    for name in (
        "CyAbsoluteError",
        "CyExponentialLoss",
        "CyHalfBinomialLoss",
        "CyHalfGammaLoss",
        "CyHalfMultinomialLoss",
        "CyHalfPoissonLoss",
        "CyHalfSquaredError",
        "CyHalfTweedieLoss",
        "CyHalfTweedieLossIdentity",
        "CyHuberLoss",
        "CyPinballLoss",
    )
) | frozenset(
    f"sklearn.linear_model._sgd_fast:{name}"
    for name in (
        "EpsilonInsensitive",
        "Hinge",
        "Huber",
        "Log",
        "ModifiedHuber",
        "SquaredEpsilonInsensitive",
        "SquaredHinge",
        "SquaredLoss",
    )
)
# The first that fits is used: an ordered dict filled as a plain one would seem empty.
_FILLS: tuple[tuple[type, type, Callable[[Any, Any], object]], ...] = (
    (OrderedDict, dict, OrderedDict.update),
    (dict, dict, dict.update),
    (list, list, list.extend),
    (deque, list, deque.extend),
)


def fill(made: Any, content: Any, path: str) -> None:
    """Add its entries to a container (a deque, a subclass of dict).

    Raises
    ------
    SemanticError
        They are entries of another kind of container.
    """
    for container, kind, put in _FILLS:
        if isinstance(made, container) and isinstance(content, kind):
            put(made, content)
            return
    raise SemanticError("entries do not fit their object", where=path)


def is_made_otherwise(cls: type) -> bool:
    """Whether objects of this class are other nodes, and never an `ObjectNode`."""
    return cls.__module__ in ("builtins", "numpy") or issubclass(cls, np.random.BitGenerator)


def own_requests(made: Any, state: Any) -> None:
    """Set the owner of an estimator's metadata requests, which the graph does not hold."""
    requests = state.get("_metadata_request") if isinstance(state, dict) else None
    if type(requests).__module__ != "sklearn.utils._metadata_requests":
        return
    for request in (requests, *vars(requests).values()):
        if type(request).__module__ == type(requests).__module__ and not hasattr(request, "owner"):
            request.owner = made


def new_object(cls: type, args: list[Any], path: str, name: str) -> Any:
    """A new object of the class that an artifact calls `name`, without its state.

    Raises
    ------
    EnvironmentMismatch
        The installed class does not take these arguments.
    """
    try:
        return cls(*args) if name in _CONSTRUCTED else cls.__new__(cls, *args)
    except MISFITS as error:
        raise EnvironmentMismatch(
            f"{cls.__qualname__} of the installed version cannot be made from this artifact",
            where=path,
            got=f"{type(error).__name__}: {error}",
            do="install the library versions that the artifact names",
        ) from error


def set_state(made: Any, state: Any, path: str) -> None:
    """Give an object its state, as unpickling would.

    Raises
    ------
    EnvironmentMismatch
        The installed class does not take this state.
    """
    if state is None:
        return
    try:
        if hasattr(made, "__setstate__"):
            made.__setstate__(_versioned(made, state))
        elif isinstance(state, tuple) and len(state) == 2:
            if state[0]:  # a class with nothing but slots has no __dict__
                vars(made).update(state[0])
            for name, value in (state[1] or {}).items():
                setattr(made, name, value)
        else:
            vars(made).update(state)
    except refusals(*MISFITS) as error:
        raise EnvironmentMismatch(
            f"{type(made).__qualname__} does not take this state",
            where=path,
            got=f"{type(error).__name__}: {error}",
            do="install the library versions that the artifact names",
        ) from error


def _versioned(made: Any, state: Any) -> Any:
    """scikit-learn warns on state without the running version: the manifest has the real one."""
    if isinstance(state, dict) and type(made).__module__.startswith("sklearn."):
        import sklearn

        return {**state, "_sklearn_version": sklearn.__version__}
    return state
