"""Small fitted forests for the common checks."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from model_quantization.families.family import Example


def examples() -> Iterable[Example]:
    """One of each kind of forest, on a few hundred rows."""
    import numpy as np
    from sklearn import ensemble, linear_model, tree
    from sklearn.datasets import make_classification, make_regression

    rows, labels = make_classification(
        300, 8, n_informative=5, n_classes=3, flip_y=0.2, random_state=0
    )
    other, values = make_regression(300, 8, n_informative=5, noise=20.0, random_state=0)
    gaps = np.where(np.random.default_rng(0).random(rows.shape) < 0.1, np.nan, rows)
    small = {"n_estimators": 12, "random_state": 0}
    classifiers = {
        "tree": tree.DecisionTreeClassifier(random_state=0),
        "best_first": tree.DecisionTreeClassifier(max_leaf_nodes=12, random_state=0),
        "forest": ensemble.RandomForestClassifier(**small),
        "extra_trees": ensemble.ExtraTreesClassifier(min_samples_leaf=4, **small),
        "boosting": ensemble.GradientBoostingClassifier(**small),
        "histogram": ensemble.HistGradientBoostingClassifier(max_iter=12, random_state=0),
        "bagging": ensemble.BaggingClassifier(max_features=0.6, **small),
        "adaboost": ensemble.AdaBoostClassifier(**small),
        "isolation": ensemble.IsolationForest(**small),
        "embedding": ensemble.RandomTreesEmbedding(**small),
    }
    for name, model in classifiers.items():
        yield Example(name, model.fit(rows, labels), rows)
    gaps_model = ensemble.RandomForestClassifier(**small)
    yield Example("missing", gaps_model.fit(gaps, labels), gaps)
    regressors = {
        "tree_values": tree.DecisionTreeRegressor(max_depth=6, random_state=0),
        "forest_values": ensemble.RandomForestRegressor(min_samples_leaf=3, **small),
        "boosting_values": ensemble.GradientBoostingRegressor(**small),
        "histogram_values": ensemble.HistGradientBoostingRegressor(max_iter=12, random_state=0),
        "adaboost_values": ensemble.AdaBoostRegressor(**small),
    }
    for name, model in regressors.items():
        yield Example(name, model.fit(other, values), other)
    logistic = linear_model.LogisticRegression(max_iter=300)
    of_others = {
        "adaboost_of_models": ensemble.AdaBoostClassifier(logistic, n_estimators=4),
        "bagging_of_models": ensemble.BaggingClassifier(logistic, n_estimators=4, max_features=0.6),
    }
    for name, model in of_others.items():
        yield Example(name, model.set_params(random_state=0).fit(rows, labels), rows)
    ridge = linear_model.Ridge()
    for name, model in {
        "adaboost_of_regressors": ensemble.AdaBoostRegressor(ridge, n_estimators=4),
        "bagging_of_regressors": ensemble.BaggingRegressor(
            ridge, n_estimators=4, bootstrap_features=True
        ),
    }.items():
        yield Example(name, model.set_params(random_state=0).fit(other, values), other)
    yield from _boosters(gaps, labels)


def _boosters(rows: Any, labels: Any) -> Iterable[Example]:
    """One of each library that is installed."""
    if find_spec("lightgbm"):
        from lightgbm import LGBMClassifier

        model = LGBMClassifier(n_estimators=6, num_leaves=9, verbose=-1, n_jobs=1)
        yield Example("lightgbm", model.fit(rows, labels), rows)
    if find_spec("xgboost"):
        from xgboost import XGBClassifier

        trees = XGBClassifier(n_estimators=6, max_depth=4, n_jobs=1)
        yield Example("xgboost", trees.fit(rows, labels), rows)
    if find_spec("catboost"):
        from catboost import CatBoostClassifier

        quiet = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
        symmetric = CatBoostClassifier(iterations=6, depth=4, **quiet)
        yield Example("catboost", symmetric.fit(rows, labels), rows)
