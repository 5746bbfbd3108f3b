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
            "catboost.core:CatBoost",
            "catboost.core:CatBoostClassifier",
            "catboost.core:CatBoostRanker",
            "catboost.core:CatBoostRegressor",
            "lightgbm.basic:Booster",
            "lightgbm.sklearn:LGBMClassifier",
            "lightgbm.sklearn:LGBMModel",
            "lightgbm.sklearn:LGBMRanker",
            "lightgbm.sklearn:LGBMRegressor",
            "xgboost.core:Booster",
            "xgboost.sklearn:XGBClassifier",
            "xgboost.sklearn:XGBModel",
            "xgboost.sklearn:XGBRFClassifier",
            "xgboost.sklearn:XGBRFRegressor",
            "xgboost.sklearn:XGBRanker",
            "xgboost.sklearn:XGBRegressor",
        }
    ),
)
