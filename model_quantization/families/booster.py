"""Boosters of LightGBM and XGBoost as they are: their libraries' bytes, compressed, never rounded.

A model that consists of trees alone is a forest instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from model_quantization.families.family import Example, Family


def examples() -> Iterable[Example]:
    """A model that is more than trees, of each library that is installed."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 5))
    values = rows[:, 0] * 3 + rng.normal(size=200)
    if find_spec("lightgbm"):
        from lightgbm import LGBMRegressor

        model = LGBMRegressor(n_estimators=4, linear_tree=True, verbose=-1, n_jobs=1)
        yield Example("linear_leaves", model.fit(rows, values), rows)
    if find_spec("xgboost"):
        from xgboost import XGBRegressor

        linear = XGBRegressor(n_estimators=4, booster="gblinear", n_jobs=1)
        yield Example("linear_booster", linear.fit(rows, values), rows)


FAMILY = Family(
    name="booster",
    types=frozenset({"lightgbm.basic:Booster", "xgboost.core:Booster"}),
    examples=examples,
)
