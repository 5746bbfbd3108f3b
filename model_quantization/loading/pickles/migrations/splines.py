"""Splines of scipy, of which each version stores the parts differently.

Up to scipy 1.14 a state has `t` and `c`, since 1.15 `_t`, `_c` and the array library, since 1.18
the parts are those of an inner object of the class `_BSpline`. Whatever the form, the object is
made by scipy's public constructor, which checks the parts.
"""

from __future__ import annotations

import functools
from typing import Any, Final

SPLINE: Final = "scipy.interpolate._bsplines:BSpline"
PARTS: Final = "scipy.interpolate._bsplines:_BSpline"


@functools.cache
def spline_reader() -> type:
    """A stand-in for scipy's spline that takes the state of any version, and then is scipy's."""
    from scipy.interpolate import BSpline

    def set_state(self: Any, state: Any) -> None:
        parts = vars(state[0]) if isinstance(state, tuple) else state
        knots = parts["t"] if "t" in parts else parts["_t"]
        weights = parts["c"] if "c" in parts else parts["_c"]
        made = BSpline(knots, weights, parts["k"], parts["extrapolate"], parts["axis"])
        self.__class__ = BSpline
        vars(self).update(vars(made))

    return type(
        "BSpline", (BSpline,), {"__module__": BSpline.__module__, "__setstate__": set_state}
    )
