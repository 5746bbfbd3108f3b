"""The estimators that are forests: where each holds its trees, and what a leaf means to it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from model_quantization.values import Value

Container: TypeAlias = Literal["single", "list", "grid", "nested", "booster"]
Leaf: TypeAlias = Literal["value", "path", "none"]
Importances: TypeAlias = Literal["tree", "forest", "boosting", "weighted", "none"]
Predictor: TypeAlias = Literal[
    "averaged",
    "embedding",
    "isolated",
    "boosted",
    "histogram",
    "weighted",
    "lightgbm",
    "xgboost",
    "catboost",
]

TREE = "sklearn.tree._tree:Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor:TreePredictor"
BIN_MAPPER = "sklearn.ensemble._hist_gradient_boosting.binning:_BinMapper"
RESTORED_TREE = "model_quantization.estimators.slim_trees:RestoredTree"
RESTORED_LEAVES = "model_quantization.estimators.slim_trees:RestoredLeaves"
RESTORED_PREDICTOR = "model_quantization.estimators.slim_trees:RestoredPredictor"
RESTORED_LIGHTGBM = "model_quantization.estimators.slim_lightgbm:RestoredLightGBM"
RESTORED_XGBOOST = "model_quantization.estimators.slim_xgboost:RestoredXGBoost"
RESTORED_BIN_MAPPER = "model_quantization.estimators.slim_trees:RestoredBinMapper"

# Estimators that answer as an older scikit-learn did: `estimators.as_saved`.
_AS_SAVED = "model_quantization.estimators.as_saved"
BY_PROBABILITIES = f"{_AS_SAVED}:ProbabilityAdaBoost"
BY_OLD_VOTES = f"{_AS_SAVED}:VotingAdaBoost"

CLASSIFIER_TREES = frozenset(
    {
        "sklearn.tree._classes:DecisionTreeClassifier",
        "sklearn.tree._classes:ExtraTreeClassifier",
    }
)
REGRESSOR_TREES = frozenset(
    {
        "sklearn.tree._classes:DecisionTreeRegressor",
        "sklearn.tree._classes:ExtraTreeRegressor",
    }
)

LIGHTGBM = frozenset(
    f"lightgbm.sklearn:LGBM{name}" for name in ("Classifier", "Regressor", "Ranker")
)
XGBOOST = frozenset(
    f"xgboost.sklearn:XGB{name}"
    for name in ("Classifier", "Regressor", "Ranker", "RFClassifier", "RFRegressor")
)
CATBOOST = frozenset(
    f"catboost.core:CatBoost{name}" for name in ("Classifier", "Regressor", "Ranker")
)


class Kind(Value, frozen=True):
    """How one class of estimator holds its trees.

    Attributes
    ----------
    attribute : str
        Where they are.
    container : str
        `single`: the attribute is one `Tree`; `list` of tree estimators; `grid`: an object array
        of them, iterations by outputs; `nested`: lists of lists of histogram predictors;
        `booster`: another library's object.
    leaf : str
        `value`: the rows of `Tree.value`; `path`: the cached path length of an isolation tree;
        `none`: only which leaf it is matters.
    importances : str
        How `feature_importances_` follows from the trees.
    lower : str
        The fast predictor that answers: its function stands in `lowering.PREDICTORS`.
    """

    attribute: str
    container: Container
    lower: Predictor
    leaf: Leaf = "value"
    importances: Importances = "none"


_ENSEMBLE = "sklearn.ensemble."
_TREE = Kind("tree_", "single", "averaged", importances="tree")
_FOREST = Kind("estimators_", "list", "averaged", importances="forest")
_EMBEDDING = Kind("estimators_", "list", "embedding", leaf="none", importances="forest")
_ISOLATION = Kind("estimators_", "list", "isolated", leaf="path")
_BOOSTING = Kind("estimators_", "grid", "boosted", importances="boosting")
_HISTOGRAM = Kind("_predictors", "nested", "histogram")
_BAGGING = Kind("estimators_", "list", "averaged")
_WEIGHTED = Kind("estimators_", "list", "weighted", importances="weighted")
_HISTOGRAM_MODULE = f"{_ENSEMBLE}_hist_gradient_boosting.gradient_boosting:"

KINDS: dict[str, Kind] = {
    **dict.fromkeys(CLASSIFIER_TREES | REGRESSOR_TREES, _TREE),
    f"{_ENSEMBLE}_forest:RandomForestClassifier": _FOREST,
    f"{_ENSEMBLE}_forest:RandomForestRegressor": _FOREST,
    f"{_ENSEMBLE}_forest:ExtraTreesClassifier": _FOREST,
    f"{_ENSEMBLE}_forest:ExtraTreesRegressor": _FOREST,
    f"{_ENSEMBLE}_forest:RandomTreesEmbedding": _EMBEDDING,
    f"{_ENSEMBLE}_iforest:IsolationForest": _ISOLATION,
    f"{_ENSEMBLE}_gb:GradientBoostingClassifier": _BOOSTING,
    f"{_ENSEMBLE}_gb:GradientBoostingRegressor": _BOOSTING,
    f"{_HISTOGRAM_MODULE}HistGradientBoostingClassifier": _HISTOGRAM,
    f"{_HISTOGRAM_MODULE}HistGradientBoostingRegressor": _HISTOGRAM,
    f"{_ENSEMBLE}_bagging:BaggingClassifier": _BAGGING,
    f"{_ENSEMBLE}_bagging:BaggingRegressor": _BAGGING,
    f"{_ENSEMBLE}_weight_boosting:AdaBoostClassifier": _WEIGHTED,
    f"{_ENSEMBLE}_weight_boosting:AdaBoostRegressor": _WEIGHTED,
    BY_PROBABILITIES: _WEIGHTED,
    BY_OLD_VOTES: _WEIGHTED,
    f"{_AS_SAVED}:UncentredGradientBoosting": _BOOSTING,
    **dict.fromkeys(LIGHTGBM, Kind("_Booster", "booster", "lightgbm")),
    **dict.fromkeys(XGBOOST, Kind("_Booster", "booster", "xgboost")),
    **dict.fromkeys(CATBOOST, Kind("__model", "booster", "catboost")),
}

DROPPED: dict[str, str] = {
    "_rng": "random state of the fit",
    "_feature_subsample_rng": "random state of the fit",
    "train_score_": "loss of each iteration on training rows",
    "validation_score_": "loss of each iteration on validation rows",
    "oob_improvement_": "out-of-bag loss of each iteration",
    "oob_scores_": "out-of-bag loss of each iteration",
    "oob_decision_function_": "out-of-bag scores of the training rows",
    "oob_prediction_": "out-of-bag predictions of the training rows",
}
