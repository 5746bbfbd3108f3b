"""Fitted attributes that an artifact leaves out, because the others determine them.

The Cholesky factor of a Gaussian process is as large as the square of its rows, and serves the
standard deviation alone. It follows from the rows and the kernel, and is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

_PROCESS: Final = "sklearn.gaussian_process._gpr:GaussianProcessRegressor"


def _cholesky_factor(process: Any) -> Any:
    """`L_` as `fit` makes it: of the kernel of the rows, `alpha` added to its diagonal."""
    from scipy.linalg import cholesky

    kernel = process.kernel_(process.X_train_)
    kernel[np.diag_indices_from(kernel)] += process.alpha
    return cholesky(kernel, lower=True, check_finite=False)


REMADE: Final[Mapping[str, Mapping[str, Callable[[Any], Any]]]] = {
    _PROCESS: {"L_": _cholesky_factor}
}


def remakes(type_name: str, state: object) -> Mapping[str, Callable[[Any], Any]]:
    """Return how to make each fitted attribute that this state lacks: name -> function.

    Empty for an object that was never fitted.
    """
    if not isinstance(state, dict) or "alpha_" not in state:
        return {}
    makers = REMADE.get(type_name, {})
    return {name: make for name, make in makers.items() if name not in state}
