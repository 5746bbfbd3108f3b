"""Boosters as they come back from pooled trees: they answer, and say what they no longer know.

Imported only to restore estimators: each class needs its library.
"""

from __future__ import annotations

from typing import Any, NoReturn

from lightgbm.basic import Booster

from ml.quantization.errors import DroppedAttribute


def refuse(name: str) -> NoReturn:
    """Raise the error that says a booster was made again from what decides its answers."""
    raise DroppedAttribute(
        f"{name} was training residue and is not stored",
        where="booster",
        do="ask the original model",
    )


class RestoredLightGBM(Booster):  # type: ignore[misc, unused-ignore]
    """A booster that gives the original's answers, without the counts and gains of its nodes."""

    def predict(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """What LightGBM predicts; `DroppedAttribute` for leaf numbers and contributions."""
        names = ("start_iteration", "num_iteration", "raw_score", "pred_leaf", "pred_contrib")
        asked = {**dict(zip(names, args, strict=False)), **kwargs}
        if asked.get("pred_leaf"):
            refuse("the number of each leaf")
        if asked.get("pred_contrib"):
            refuse("the number of training rows of each node")
        return super().predict(data, *args, **kwargs)

    def dump_model(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`."""
        refuse("what is said of each node")

    def feature_importance(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`: the estimator keeps its own importances."""
        refuse("the gain of each split")

    def refit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`."""
        refuse("the number of training rows of each node")
