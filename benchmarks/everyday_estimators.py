"""Everyday models that are one estimator, or a scaler before one."""

from __future__ import annotations

from collections.abc import Mapping

from sklearn import (
    calibration,
    cluster,
    covariance,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_approximation,
    kernel_ridge,
    linear_model,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    semi_supervised,
    svm,
    tree,
)
from sklearn.pipeline import make_pipeline

from benchmarks.everyday_data import (
    Made,
    Maker,
    boosting,
    fitted_on,
    forest,
    logistic,
    matern,
    network,
    numbers,
    scaler,
    split,
)


def _isotonic() -> Made:
    rows, labels, asked = split(numbers())
    model = isotonic.IsotonicRegression(out_of_bounds="clip")
    return model.fit(rows[:, :1], labels + rows[:, 0]), asked[:, :1]


ESTIMATORS: Mapping[str, Maker] = {
    # Trees.
    "RandomForestClassifier": fitted_on(forest),
    "RandomForestRegressor": fitted_on(
        lambda: ensemble.RandomForestRegressor(50, random_state=0), target="number"
    ),
    "ExtraTreesClassifier": fitted_on(lambda: ensemble.ExtraTreesClassifier(50, random_state=0)),
    "DecisionTreeClassifier": fitted_on(lambda: tree.DecisionTreeClassifier(random_state=0)),
    "GradientBoostingClassifier": fitted_on(
        lambda: ensemble.GradientBoostingClassifier(random_state=0)
    ),
    "HistGradientBoostingClassifier": fitted_on(boosting),
    "HistGradientBoostingRegressor": fitted_on(
        lambda: ensemble.HistGradientBoostingRegressor(max_iter=30), target="number"
    ),
    "AdaBoostClassifier": fitted_on(lambda: ensemble.AdaBoostClassifier(random_state=0)),
    "BaggingClassifier of trees": fitted_on(lambda: ensemble.BaggingClassifier(random_state=0)),
    "IsolationForest": fitted_on(lambda: ensemble.IsolationForest(n_estimators=50, random_state=0)),
    "MultiOutput(RF)": fitted_on(
        lambda: multioutput.MultiOutputClassifier(forest()), target="several"
    ),
    "Calibrated(RF)": fitted_on(lambda: calibration.CalibratedClassifierCV(forest(), cv=3)),
    # Linear.
    "LogisticRegression": fitted_on(logistic),
    "scaler + LogisticRegression": fitted_on(lambda: make_pipeline(scaler(), logistic())),
    "LinearSVC": fitted_on(svm.LinearSVC),
    "Calibrated(LinearSVC)": fitted_on(
        lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3)
    ),
    "LinearRegression": fitted_on(linear_model.LinearRegression, target="number"),
    "Ridge": fitted_on(linear_model.Ridge, target="number"),
    "Lasso": fitted_on(lambda: linear_model.Lasso(0.1), target="number"),
    "ElasticNet": fitted_on(lambda: linear_model.ElasticNet(0.1), target="number"),
    "SGDClassifier": fitted_on(lambda: linear_model.SGDClassifier(random_state=0)),
    "PoissonRegressor": fitted_on(linear_model.PoissonRegressor, target="positive"),
    "LinearDiscriminantAnalysis": fitted_on(discriminant_analysis.LinearDiscriminantAnalysis),
    "QuadraticDiscriminantAnalysis": fitted_on(
        lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1)
    ),
    "GaussianNB": fitted_on(naive_bayes.GaussianNB),
    "OneVsRest(LR)": fitted_on(lambda: multiclass.OneVsRestClassifier(logistic())),
    "PLSRegression": fitted_on(lambda: cross_decomposition.PLSRegression(4), target="number"),
    "SGDOneClassSVM": fitted_on(lambda: linear_model.SGDOneClassSVM(random_state=0)),
    "EllipticEnvelope": fitted_on(lambda: covariance.EllipticEnvelope(random_state=0)),
    "IsotonicRegression": _isotonic,
    # Networks.
    "scaler + MLP": fitted_on(lambda: make_pipeline(scaler(), network())),
    "MinMax + RBM + LR": fitted_on(
        lambda: make_pipeline(
            preprocessing.MinMaxScaler(),
            neural_network.BernoulliRBM(16, n_iter=5, random_state=0),
            logistic(),
        )
    ),
    # Kernel machines.
    "SVC rbf": fitted_on(svm.SVC),
    "SVC poly": fitted_on(lambda: svm.SVC(kernel="poly")),
    "SVC linear": fitted_on(lambda: svm.SVC(kernel="linear")),
    "NuSVC": fitted_on(lambda: svm.NuSVC(nu=0.3)),
    "SVC probability": fitted_on(lambda: svm.SVC(probability=True, random_state=0)),
    "SVR": fitted_on(svm.SVR, target="number"),
    "NuSVR": fitted_on(svm.NuSVR, target="number"),
    "SVR linear": fitted_on(lambda: svm.SVR(kernel="linear"), target="number"),
    "OneClassSVM": fitted_on(svm.OneClassSVM),
    "scaler + SVC": fitted_on(lambda: make_pipeline(scaler(), svm.SVC())),
    "GaussianProcessRegressor": fitted_on(
        lambda: gaussian_process.GaussianProcessRegressor(alpha=0.1, optimizer=None),
        target="number",
    ),
    "GaussianProcessClassifier": fitted_on(
        lambda: gaussian_process.GaussianProcessClassifier(optimizer=None)
    ),
    "KernelRidge": fitted_on(lambda: kernel_ridge.KernelRidge(kernel="rbf"), target="number"),
    "scaler + GaussianProcessRegressor": fitted_on(
        lambda: make_pipeline(
            scaler(), gaussian_process.GaussianProcessRegressor(matern(), optimizer=None)
        ),
        target="number",
    ),
    "KernelPCA + LR": fitted_on(
        lambda: make_pipeline(decomposition.KernelPCA(8, kernel="rbf"), logistic())
    ),
    "Calibrated(SVC)": fitted_on(lambda: calibration.CalibratedClassifierCV(svm.SVC(), cv=3)),
    "Nystroem + SGD": fitted_on(
        lambda: make_pipeline(
            kernel_approximation.Nystroem(random_state=0),
            linear_model.SGDClassifier(random_state=0),
        )
    ),
    "RBFSampler + SGD": fitted_on(
        lambda: make_pipeline(
            kernel_approximation.RBFSampler(random_state=0),
            linear_model.SGDClassifier(random_state=0),
        )
    ),
    # Distances.
    "KNN brute": fitted_on(lambda: neighbors.KNeighborsClassifier(algorithm="brute")),
    "KNN kd_tree": fitted_on(lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree")),
    "KNN ball_tree distance": fitted_on(
        lambda: neighbors.KNeighborsClassifier(algorithm="ball_tree", weights="distance")
    ),
    "KNeighborsRegressor": fitted_on(neighbors.KNeighborsRegressor, target="number"),
    "KNN cosine": fitted_on(lambda: neighbors.KNeighborsClassifier(metric="cosine")),
    "KNN manhattan": fitted_on(lambda: neighbors.KNeighborsClassifier(metric="manhattan")),
    "RadiusNeighborsClassifier": fitted_on(lambda: neighbors.RadiusNeighborsClassifier(16.0)),
    "RadiusNeighborsRegressor": fitted_on(
        lambda: neighbors.RadiusNeighborsRegressor(16.0), target="number"
    ),
    "KernelDensity": fitted_on(neighbors.KernelDensity),
    "LocalOutlierFactor": fitted_on(lambda: neighbors.LocalOutlierFactor(novelty=True)),
    "NearestCentroid": fitted_on(neighbors.NearestCentroid),
    "KMeans": fitted_on(lambda: cluster.KMeans(8, random_state=0)),
    "MiniBatchKMeans": fitted_on(lambda: cluster.MiniBatchKMeans(8, random_state=0)),
    "BisectingKMeans": fitted_on(lambda: cluster.BisectingKMeans(8, random_state=0)),
    "Birch": fitted_on(lambda: cluster.Birch(n_clusters=8)),
    "GaussianMixture": fitted_on(lambda: mixture.GaussianMixture(4, random_state=0)),
    "GaussianMixture, diagonal": fitted_on(
        lambda: mixture.GaussianMixture(4, covariance_type="diag", random_state=0)
    ),
    "BayesianGaussianMixture": fitted_on(
        lambda: mixture.BayesianGaussianMixture(n_components=4, random_state=0)
    ),
    "LabelSpreading": fitted_on(lambda: semi_supervised.LabelSpreading(gamma=0.1), target="some"),
}
