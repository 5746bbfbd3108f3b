"""Estimators of LightGBM, XGBoost and CatBoost: held in their libraries' own formats, exactly.

Their arrays are text or bytes that only the library can read, so nothing in them is ever rounded
and the restored estimator answers. Examples need the libraries; tests/estimators has the checks.
"""

from __future__ import annotations

from ml.quantization.families.family import Family

FAMILY = Family(
    name="boosters",
    types=frozenset(
        {
            *(
                f"catboost.core:CatBoost{kind}"
                for kind in ("", "Classifier", "Ranker", "Regressor")
            ),
            "lightgbm.basic:Booster",
            *(f"lightgbm.sklearn:LGBM{kind}" for kind in ("Classifier", "Model", "Ranker")),
            "lightgbm.sklearn:LGBMRegressor",
            "xgboost.core:Booster",
            *(f"xgboost.sklearn:XGB{kind}" for kind in ("Classifier", "Model", "Ranker")),
            *(f"xgboost.sklearn:XGBRF{kind}" for kind in ("Classifier", "Regressor")),
            "xgboost.sklearn:XGBRegressor",
        }
    ),
)
