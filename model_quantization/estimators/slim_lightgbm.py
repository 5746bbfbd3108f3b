"""LightGBM's booster restored from pooled trees: it answers, and names what it lacks.

Imported only to restore estimators: it needs its library.
"""

from __future__ import annotations

from typing import Any

from lightgbm.basic import Booster

from model_quantization.estimators.dropped import dropped_method, raise_dropped, reduced_as


class RestoredLightGBM(Booster):  # type: ignore[misc, unused-ignore]
    """A booster that gives the original's answers, without the counts and gains of its nodes.

    The estimator keeps its own feature importances.
    """

    __reduce_ex__ = reduced_as(Booster)

    def predict(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Return LightGBM's predictions; `DroppedAttribute` for leaf numbers and contributions."""
        names = ("start_iteration", "num_iteration", "raw_score", "pred_leaf", "pred_contrib")
        options = {**dict(zip(names, args, strict=False)), **kwargs}
        if options.get("pred_leaf"):
            raise_dropped("the number of each leaf", "booster")
        if options.get("pred_contrib"):
            raise_dropped("the number of training rows of each node", "booster")
        return super().predict(data, *args, **kwargs)

    dump_model = dropped_method("what is said of each node", "booster")
    feature_importance = dropped_method("the gain of each split", "booster")
    refit = dropped_method("the number of training rows of each node", "booster")
