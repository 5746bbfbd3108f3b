"""The methods that scikit-learn's tools call on an estimator, for one that stays fitted.

`fit` returns the model unchanged and `clone` returns the model itself, as for scikit-learn's
`FrozenEstimator`: so it works in a `Pipeline` and in `cross_val_predict`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from model_quantization.errors import ConfigError


class FittedForGood:
    """The part of a quantized model that scikit-learn's own tools call."""

    @abstractmethod
    def restored_estimator(self) -> Any:
        """Return the restored estimator."""

    @abstractmethod
    def _name(self) -> str:
        """The class and the bits, for messages."""

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Return this model: it is fitted for good."""
        return self

    def set_params(self, **params: Any) -> Self:
        """Return this model; it has no parameter that can be set.

        Raises
        ------
        ConfigError
            Any parameter was given.
        """
        if params:
            raise ConfigError(
                "a quantized model is fitted for good",
                where=f"<QuantizedModel {self._name()}>",
                got=", ".join(params),
                do="set parameters of the original, fit that, and quantize it again",
            )
        return self

    def __sklearn_clone__(self) -> Self:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return self.restored_estimator().__sklearn_tags__()
