"""LightGBM's booster as it comes back from pooled trees: it answers, and says what it forgot.

Imported only to restore estimators: it needs its library.
"""

from __future__ import annotations

from typing import Any, NoReturn

from lightgbm.basic import Booster

from model_quantization.estimators.dropped import reduced_as, refuse


class RestoredLightGBM(Booster):  # type: ignore[misc, unused-ignore]
    """A booster that gives the original's answers, without the counts and gains of its nodes."""

    __reduce_ex__ = reduced_as(Booster)

    def predict(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """What LightGBM predicts; `DroppedAttribute` for leaf numbers and contributions."""
        names = ("start_iteration", "num_iteration", "raw_score", "pred_leaf", "pred_contrib")
        asked = {**dict(zip(names, args, strict=False)), **kwargs}
        if asked.get("pred_leaf"):
            refuse("the number of each leaf", "booster")
        if asked.get("pred_contrib"):
            refuse("the number of training rows of each node", "booster")
        return super().predict(data, *args, **kwargs)

    def dump_model(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`."""
        refuse("what is said of each node", "booster")

    def feature_importance(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`: the estimator keeps its own importances."""
        refuse("the gain of each split", "booster")

    def refit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`."""
        refuse("the number of training rows of each node", "booster")
