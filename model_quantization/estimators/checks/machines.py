"""Support vector machines and splines: sizes that native code does not compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.estimators.checks.errors import refuse


def check_support(args: list[Any], state: Any, path: str) -> None:
    """Refuse support vectors, coefficients and intercepts that do not fit each other."""
    if "support_" not in state:
        return
    if "_impl" in state:
        refuse(path, "a kind of machine of its own", repr(state["_impl"])[:80])
    counts, rows = state["_n_support"], len(state["support_"])
    classes = len(counts)
    shape = (classes - 1, rows)
    if classes < 2 or state["_dual_coef_"].shape != shape:
        refuse(path, "coefficients do not fit the support vectors", str(shape))
    pairs = classes * (classes - 1) // 2
    if state["_intercept_"].shape != (pairs,):
        refuse(path, "intercepts do not fit the classes", str(classes))
    if any(state[name].shape not in ((0,), (pairs,)) for name in ("_probA", "_probB")):
        refuse(path, "probabilities do not fit the classes", str(classes))
    coefficients = state["_dual_coef_"]
    if not isinstance(coefficients, np.ndarray) and len(coefficients.data) != shape[0] * rows:
        refuse(path, "coefficients left out", str(len(coefficients.data)))
    fitted = state["shape_fit_"]
    if rows and not (state["support_"].min() >= 0 and state["support_"].max() < fitted[0]):
        refuse(path, "a support vector is out of range", f"{fitted[0]} rows")
    if "classes_" in state and (counts.min() < 0 or counts.sum() != rows):
        refuse(path, "support vectors of the classes do not add up", f"{rows} rows")
    vectors = state["support_vectors_"]
    if callable(state["kernel"]):
        known = state["_BaseLibSVM__Xfit"]  # of which the function makes a column each
        if known.shape[0] != fitted[0]:
            refuse(path, "training rows do not fit the machine", f"{known.shape[0]}, {fitted[0]}")
    elif state["kernel"] != "precomputed" and vectors.shape != (rows, state["n_features_in_"]):
        refuse(path, "support vectors of another shape", str(vectors.shape))


def check_spline(args: list[Any], state: Any, path: str) -> None:
    """Refuse a spline with fewer knots or coefficients than its degree asks for."""
    # scipy before 1.17 has no underscore before them.
    knots, coefficients = (state[f"_{n}"] if f"_{n}" in state else state[n] for n in ("t", "c"))
    degree = state["k"]
    if not isinstance(degree, int | np.integer) or not 0 <= degree < len(knots):
        refuse(path, "the degree of a spline is out of range", repr(degree)[:80])
    count = len(knots) - int(degree) - 1
    if knots.ndim != 1 or knots.dtype != np.float64 or count < degree + 1:
        refuse(path, "knots that do not fit the degree of a spline", str(knots.shape))
    if not np.isfinite(knots).all() or np.any(np.diff(knots) < 0):
        refuse(path, "knots of a spline that do not rise")
    if coefficients.ndim < 1 or len(coefficients) < count:
        refuse(path, "coefficients that do not fit the knots of a spline", str(coefficients.shape))
