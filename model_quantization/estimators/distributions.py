"""Distributions of scipy.stats as plain state, and back: a name and numbers."""

from __future__ import annotations

from typing import Any, Final

from model_quantization.loading.pickles.read_as_data.distributions import distribution_named

FROZEN: Final = "scipy.stats:frozen"
GENERATOR: Final = "scipy.stats:distribution"


def distribution_kind(value: Any) -> str:
    """The kind of scipy's own distribution; empty for other objects."""
    kind = type(value)
    if not kind.__module__.startswith("scipy.stats._"):
        return ""
    from scipy import stats
    from scipy.stats._distn_infrastructure import rv_frozen

    own = value.dist if isinstance(value, rv_frozen) else value
    if type(own) is not type(getattr(stats, str(getattr(own, "name", "")), None)):
        return ""
    return FROZEN if own is not value else GENERATOR


def distribution_state(value: Any) -> dict[str, Any]:
    """The name of a distribution, and the parameters of a frozen one."""
    if distribution_kind(value) == FROZEN:
        return {"name": value.dist.name, "args": value.args, "kwds": dict(value.kwds)}
    return {"name": value.name}


def make_distribution(state: Any, path: str) -> Any:
    """The distribution of this name."""
    return distribution_named(state["name"])


def make_frozen(state: Any, path: str) -> Any:
    """The distribution of this name, frozen with these numbers."""
    return distribution_named(state["name"])(*state["args"], **state["kwds"])
