"""XGBoost's booster as it comes back from pooled trees: it answers, and says what it forgot.

Imported only to restore estimators: it needs its library.
"""

from __future__ import annotations

from typing import Any, NoReturn

from xgboost.core import Booster

from model_quantization.estimators.dropped import reduced_as, refuse


class RestoredXGBoost(Booster):  # type: ignore[misc, unused-ignore]
    """A booster that gives the original's answers, without the cover and gain of its nodes."""

    __reduce_ex__ = reduced_as(Booster)

    def predict(self, data: Any, **options: Any) -> Any:
        """What XGBoost predicts; `DroppedAttribute` for contributions."""
        if options.get("pred_contribs") or options.get("pred_interactions"):
            refuse("the cover of each node", "booster")
        return super().predict(data, **options)

    def get_score(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`: the estimator keeps its own importances."""
        refuse("the gain of each split", "booster")

    def get_dump(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `DroppedAttribute`."""
        refuse("what is said of each node", "booster")
