"""XGBoost's booster restored from pooled trees: it answers, and names what it lacks.

Imported only to restore estimators: it needs its library.
"""

from __future__ import annotations

from typing import Any

from xgboost.core import Booster

from model_quantization.estimators.dropped import dropped_method, raise_dropped, reduced_as


class RestoredXGBoost(Booster):  # type: ignore[misc, unused-ignore]
    """A booster that gives the original's answers, without the cover and gain of its nodes.

    The estimator keeps its own feature importances.
    """

    __reduce_ex__ = reduced_as(Booster)

    def predict(self, data: Any, **options: Any) -> Any:
        """Return XGBoost's predictions; `DroppedAttribute` for contributions."""
        if options.get("pred_contribs") or options.get("pred_interactions"):
            raise_dropped("the cover of each node", "booster")
        return super().predict(data, **options)

    get_score = dropped_method("the gain of each split", "booster")
    get_dump = dropped_method("what is said of each node", "booster")
