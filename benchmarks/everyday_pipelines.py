"""Everyday models with steps before them, and models around a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import (
    compose,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_extraction,
    feature_selection,
    frozen,
    impute,
    linear_model,
    model_selection,
    naive_bayes,
    neighbors,
    preprocessing,
    random_projection,
    semi_supervised,
    svm,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  it makes a class known
from sklearn.pipeline import make_pipeline, make_union

from benchmarks.everyday_data import (
    Maker,
    arrow,
    boosting,
    cells,
    columns_of_table,
    dummies,
    fitted_on,
    forest,
    logistic,
    mappings,
    network,
    nullable,
    numeric_table,
    objects,
    of_table,
    one_hot,
    scaler,
    table,
    texts,
    with_bool,
    with_gaps,
)


def _log_of_target(inner: Any) -> Any:
    return compose.TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1)


_SEARCHED = {"logisticregression__C": [0.1, 1.0]}

PIPELINES: Mapping[str, Maker] = {
    # Steps before a model.
    "PCA + LR": fitted_on(lambda: make_pipeline(decomposition.PCA(8), logistic())),
    "scaler + PCA + LR": fitted_on(
        lambda: make_pipeline(scaler(), decomposition.PCA(8), logistic())
    ),
    "scaler + PCA + SVC": fitted_on(
        lambda: make_pipeline(scaler(), decomposition.PCA(8), svm.SVC())
    ),
    "whitening PCA + RF": fitted_on(
        lambda: make_pipeline(decomposition.PCA(8, whiten=True), forest())
    ),
    "IncrementalPCA + LR": fitted_on(
        lambda: make_pipeline(decomposition.IncrementalPCA(8), logistic())
    ),
    "TruncatedSVD + LR": fitted_on(
        lambda: make_pipeline(decomposition.TruncatedSVD(8, random_state=0), logistic())
    ),
    "FastICA + LR": fitted_on(
        lambda: make_pipeline(decomposition.FastICA(8, random_state=0, max_iter=2000), logistic())
    ),
    "FactorAnalysis + LR": fitted_on(
        lambda: make_pipeline(decomposition.FactorAnalysis(6), logistic())
    ),
    "LDA as a step + RF": fitted_on(
        lambda: make_pipeline(discriminant_analysis.LinearDiscriminantAnalysis(), forest())
    ),
    "GaussianRandomProjection + LR": fitted_on(
        lambda: make_pipeline(
            random_projection.GaussianRandomProjection(8, random_state=0), logistic()
        )
    ),
    "Polynomial + Ridge": fitted_on(
        lambda: make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
        target="number",
    ),
    "Spline + Ridge": fitted_on(
        lambda: make_pipeline(preprocessing.SplineTransformer(), linear_model.Ridge()),
        target="number",
    ),
    "SelectKBest + LR": fitted_on(
        lambda: make_pipeline(feature_selection.SelectKBest(k=10), logistic())
    ),
    "SelectPercentile + LR": fitted_on(
        lambda: make_pipeline(feature_selection.SelectPercentile(percentile=50), logistic())
    ),
    "VarianceThreshold + RF": fitted_on(
        lambda: make_pipeline(feature_selection.VarianceThreshold(), forest())
    ),
    "SelectFromModel + HGB": fitted_on(
        lambda: make_pipeline(feature_selection.SelectFromModel(forest()), boosting())
    ),
    "SelectFromModel(LR) + LR": fitted_on(
        lambda: make_pipeline(feature_selection.SelectFromModel(logistic()), logistic())
    ),
    "PowerTransformer + LR": fitted_on(
        lambda: make_pipeline(preprocessing.PowerTransformer(), logistic())
    ),
    "QuantileTransformer + LR": fitted_on(
        lambda: make_pipeline(preprocessing.QuantileTransformer(n_quantiles=200), logistic())
    ),
    "normal QuantileTransformer + LR": fitted_on(
        lambda: make_pipeline(
            preprocessing.QuantileTransformer(n_quantiles=200, output_distribution="normal"),
            logistic(),
        )
    ),
    "Normalizer + LR": fitted_on(lambda: make_pipeline(preprocessing.Normalizer(), logistic())),
    "Binarizer + BernoulliNB": fitted_on(
        lambda: make_pipeline(preprocessing.Binarizer(), naive_bayes.BernoulliNB(binarize=None))
    ),
    "KBins one-hot + LR": fitted_on(
        lambda: make_pipeline(
            preprocessing.KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf"), logistic()
        )
    ),
    "KBins ordinal + LR": fitted_on(
        lambda: make_pipeline(
            preprocessing.KBinsDiscretizer(
                5, encode="ordinal", quantile_method="averaged_inverted_cdf"
            ),
            logistic(),
        )
    ),
    "FunctionTransformer + LR": fitted_on(
        lambda: make_pipeline(preprocessing.FunctionTransformer(np.tanh), logistic())
    ),
    "imputer with indicators + RF": fitted_on(
        lambda: make_pipeline(impute.SimpleImputer(add_indicator=True), forest()), with_gaps
    ),
    "KNNImputer + LR": fitted_on(lambda: make_pipeline(impute.KNNImputer(), logistic()), with_gaps),
    "FeatureUnion(PCA, SelectKBest) + LR": fitted_on(
        lambda: make_pipeline(
            make_union(decomposition.PCA(4), feature_selection.SelectKBest(k=5)), logistic()
        )
    ),
    "RandomTreesEmbedding + LR": fitted_on(
        lambda: make_pipeline(ensemble.RandomTreesEmbedding(20, random_state=0), logistic())
    ),
    # Tables.
    "table + LR": of_table(logistic),
    "table + HGB": of_table(boosting, dense=True),
    "table + RF": of_table(forest),
    "table + MLP": of_table(network),
    "table + KNN": of_table(neighbors.KNeighborsClassifier, dense=True),
    "ordinal table + HGB": fitted_on(
        lambda: make_pipeline(
            columns_of_table(
                preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            ),
            boosting(),
        ),
        table,
    ),
    "table, PCA and the rest + RF": fitted_on(
        lambda: make_pipeline(
            compose.make_column_transformer(
                (decomposition.PCA(2), [f"number_{at}" for at in range(4)]),
                (one_hot(), ["city", "plan", "device"]),
                remainder="passthrough",
                sparse_threshold=0.0,
            ),
            forest(),
        ),
        table,
    ),
    "get_dummies table + RF": fitted_on(forest, numeric_table(dummies)),
    "table with bool + LR": fitted_on(logistic, numeric_table(with_bool)),
    "nullable table + LR": fitted_on(logistic, numeric_table(nullable)),
    "arrow table + LR": fitted_on(logistic, numeric_table(arrow)),
    "object table + LR": fitted_on(logistic, numeric_table(objects)),
    "one-hot of an array + LR": fitted_on(lambda: make_pipeline(one_hot(), logistic()), cells),
    "DictVectorizer + LR": fitted_on(
        lambda: make_pipeline(feature_extraction.DictVectorizer(), logistic()), mappings
    ),
    # Text.
    "Tfidf + LR": fitted_on(
        lambda: make_pipeline(feature_extraction.text.TfidfVectorizer(), logistic()), texts
    ),
    "Tfidf + MultinomialNB": fitted_on(
        lambda: make_pipeline(
            feature_extraction.text.TfidfVectorizer(), naive_bayes.MultinomialNB()
        ),
        texts,
    ),
    "Tfidf + SVD + LR": fitted_on(
        lambda: make_pipeline(
            feature_extraction.text.TfidfVectorizer(),
            decomposition.TruncatedSVD(16, random_state=0),
            logistic(),
        ),
        texts,
    ),
    "CountVectorizer + LDA": fitted_on(
        lambda: make_pipeline(
            feature_extraction.text.CountVectorizer(),
            decomposition.LatentDirichletAllocation(6, random_state=0, max_iter=3),
        ),
        texts,
    ),
    # Models around a model.
    "GridSearchCV(scaler + LR)": fitted_on(
        lambda: model_selection.GridSearchCV(make_pipeline(scaler(), logistic()), _SEARCHED, cv=2)
    ),
    "GridSearchCV(RF)": fitted_on(
        lambda: model_selection.GridSearchCV(forest(), {"max_depth": [4, None]}, cv=2)
    ),
    "GridSearchCV(table + LR)": fitted_on(
        lambda: model_selection.GridSearchCV(
            make_pipeline(columns_of_table(one_hot()), logistic()), _SEARCHED, cv=2
        ),
        table,
    ),
    "RandomizedSearchCV(LR)": fitted_on(
        lambda: model_selection.RandomizedSearchCV(
            logistic(), {"C": [0.1, 1, 10]}, n_iter=2, cv=2, random_state=0
        )
    ),
    "HalvingGridSearchCV(LR)": fitted_on(
        lambda: model_selection.HalvingGridSearchCV(
            logistic(), {"C": [0.1, 1]}, cv=2, random_state=0
        )
    ),
    "TransformedTarget(Ridge)": fitted_on(
        lambda: _log_of_target(linear_model.Ridge()), target="positive"
    ),
    "TransformedTarget(HGB)": fitted_on(
        lambda: _log_of_target(ensemble.HistGradientBoostingRegressor(max_iter=30)),
        target="positive",
    ),
    "TransformedTarget(Ridge, quantiles)": fitted_on(
        lambda: compose.TransformedTargetRegressor(
            linear_model.Ridge(), transformer=preprocessing.QuantileTransformer(n_quantiles=100)
        ),
        target="positive",
    ),
    "RFE": fitted_on(lambda: feature_selection.RFE(logistic(), n_features_to_select=8, step=4)),
    "RFECV": fitted_on(lambda: feature_selection.RFECV(logistic(), cv=2, step=6)),
    "RANSACRegressor": fitted_on(
        lambda: linear_model.RANSACRegressor(random_state=0, residual_threshold=3), target="number"
    ),
    "FixedThresholdClassifier": fitted_on(
        lambda: model_selection.FixedThresholdClassifier(logistic(), threshold=0.3), target="two"
    ),
    "TunedThresholdClassifierCV": fitted_on(
        lambda: model_selection.TunedThresholdClassifierCV(logistic(), cv=2), target="two"
    ),
    "SelfTrainingClassifier": fitted_on(
        lambda: semi_supervised.SelfTrainingClassifier(logistic()), target="some"
    ),
    "FrozenEstimator(RF)": lambda: (
        frozen.FrozenEstimator(fitted_on(forest)()[0]),
        fitted_on(forest)()[1],
    ),
    "DummyClassifier": fitted_on(dummy.DummyClassifier),
    "AdaBoost(LR)": fitted_on(lambda: ensemble.AdaBoostClassifier(logistic(), n_estimators=8)),
    "Bagging(LR)": fitted_on(
        lambda: ensemble.BaggingClassifier(logistic(), max_features=0.6, random_state=0)
    ),
    "Bagging(KNN)": fitted_on(
        lambda: ensemble.BaggingClassifier(neighbors.KNeighborsClassifier(), random_state=0)
    ),
    "Stacking(RF, LR)": fitted_on(
        lambda: ensemble.StackingClassifier(
            [("rf", forest()), ("lr", logistic())], logistic(), cv=2
        )
    ),
    "Stacking with passthrough": fitted_on(
        lambda: ensemble.StackingClassifier(
            [("rf", forest()), ("lr", logistic())], logistic(), cv=2, passthrough=True
        )
    ),
    "Stacking(RF, LR, SVC)": fitted_on(
        lambda: ensemble.StackingClassifier(
            [("rf", forest()), ("lr", logistic()), ("svc", svm.SVC())], logistic(), cv=2
        )
    ),
    "soft voting": fitted_on(
        lambda: ensemble.VotingClassifier([("rf", forest()), ("lr", logistic())], voting="soft")
    ),
    "Voting(RF, KNN)": fitted_on(
        lambda: ensemble.VotingClassifier(
            [("rf", forest()), ("knn", neighbors.KNeighborsClassifier())]
        )
    ),
}
