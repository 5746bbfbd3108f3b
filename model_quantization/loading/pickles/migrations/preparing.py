"""Steps that prepare rows: imputers, encoders, splines, reductions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np

from model_quantization.loading.pickles.migrations.steps import (
    State,
    Step,
    added,
    renamed,
    together,
)


def _fill_dtype(state: State) -> None:
    if "_fit_dtype" in state:
        state.setdefault("_fill_dtype", state["_fit_dtype"])


def _plain_statistics(state: State) -> None:
    """Statistics of the type of the rows: before 1.8 those of a constant were compared with it."""
    fitted = state.get("_fit_dtype")
    statistics = state.get("statistics_")
    if isinstance(fitted, np.dtype) and fitted.kind == "f" and statistics is not None:
        state["statistics_"] = np.asarray(statistics).astype(fitted)


def _fit_dtype(state: State) -> None:
    if "statistics_" in state:
        state.setdefault("_fit_dtype", np.asarray(state["statistics_"]).dtype)


def _valid_mask(state: State) -> None:
    if "_mask_fit_X" in state:
        state.setdefault("_valid_mask", ~np.all(state["_mask_fit_X"], axis=0))


def _empty_features(state: State) -> None:
    imputer = state.get("initial_imputer_")
    if imputer is not None and "_is_empty_feature" not in state:
        # The statistic of a feature without values is NaN.
        statistics = np.asarray(imputer.statistics_)
        is_float = statistics.dtype.kind == "f"
        empty = np.isnan(statistics) if is_float else np.zeros(statistics.shape, dtype=bool)
        state["_is_empty_feature"] = empty


def _limits_of_features(state: State) -> None:
    """One lower and one upper limit per feature; before 0.23 one for all."""
    if "initial_imputer_" in state:
        width = np.asarray(state["initial_imputer_"].statistics_).shape
        for name in ("_min_value", "_max_value"):
            state[name] = np.broadcast_to(np.asarray(state[name], dtype=float), width).copy()


def _precomputed_indicator(state: State) -> None:
    if state.get("indicator_") is not None:
        state["indicator_"]._precomputed = True


def _infrequent(state: State) -> None:
    state.setdefault("_infrequent_enabled", False)


def _one_hot(state: State) -> None:
    renamed("sparse", "sparse_output")(state)
    if "categories_" not in state:
        return
    _infrequent(state)
    state.setdefault("drop_idx_", None)
    state.setdefault("_drop_idx_after_grouping", state["drop_idx_"])
    state.setdefault("_n_features_outs", _columns_out(state))


def _columns_out(state: State) -> list[int]:
    """How many columns each feature becomes: its categories, less dropped and grouped ones."""
    out = [len(categories) for categories in state["categories_"]]
    dropped = state["_drop_idx_after_grouping"]
    for index, drop in enumerate([] if dropped is None else dropped):
        out[index] -= drop is not None
    if state["_infrequent_enabled"]:
        for index, rare in enumerate(state["_infrequent_indices"]):
            out[index] -= 0 if rare is None else rare.size - 1
    return out


def _ordinal(state: State) -> None:
    if "categories_" not in state:
        return
    _infrequent(state)
    if "_missing_indices" not in state:
        state["_missing_indices"] = {
            index: len(categories) - 1
            for index, categories in enumerate(state["categories_"])
            if len(categories) and categories[-1] != categories[-1]
        }


def _sample_interval(state: State) -> None:
    renamed("_sample_interval", "sample_interval_")(state)
    interval = state.pop("sample_interval_", None)
    if state.get("sample_interval") is None and interval is not None:
        state["sample_interval"] = interval


def _gamma(state: State) -> None:
    if "gamma" in state and isinstance(state["gamma"], int | float):
        state.setdefault("_gamma", state["gamma"])


def _kernel_gamma(state: State) -> None:
    if "eigenvectors_" in state:
        width = state.get("n_features_in_") or state["X_fit_"].shape[1]
        gamma = state.get("gamma")
        state.setdefault("gamma_", 1 / width if gamma is None else gamma)


def _finite_keyword(old: str, new: str) -> Callable[[State], None]:
    """Rename a keyword of `check_array`, which histogram boosting calls by a partial."""

    def rename(state: State) -> None:
        func = state.get("func")
        if isinstance(func, functools.partial) and old in func.keywords:
            keywords = {new if key == old else key: value for key, value in func.keywords.items()}
            state["func"] = functools.partial(func.func, *func.args, **keywords)

    return rename


def _eigen(state: State) -> None:
    renamed("alphas_", "eigenvectors_")(state)
    renamed("lambdas_", "eigenvalues_")(state)


def _power_range(state: State) -> None:
    """The powers of a polynomial; before 1.0 they began at one."""
    degree = state.get("degree")
    low, high = degree if isinstance(degree, tuple) else (0, degree)
    state.setdefault("_min_degree", low)
    state.setdefault("_max_degree", high)
    outputs = state.pop("n_output_features_", None)
    if outputs is not None:
        state.setdefault("_n_out_full", outputs)
        state.setdefault("n_output_features_", outputs)


def _threads(state: State) -> None:
    if "cluster_centers_" in state:
        state.setdefault("_n_threads", 1)


def _whitening(state: State) -> None:
    if "_whiten" in state:
        state["whiten"] = state.pop("_whiten")


def _features_out(state: State) -> None:
    components = state.get("components_")
    if components is not None:
        state.setdefault("_n_features_out", components.shape[0])


_ENCODERS: Final = "sklearn.preprocessing._encoders"

STEPS: Final = (
    Step(
        ("sklearn.impute._base:MissingIndicator",),
        "0.24",
        "0.24: MissingIndicator may be given the mask itself",
        added(_precomputed=False),
    ),
    Step(
        ("sklearn.impute._base:_BaseImputer",),
        "0.24",
        "0.24: imputers give their indicator the mask itself",
        _precomputed_indicator,
    ),
    Step(
        ("sklearn.impute._iterative:IterativeImputer",),
        "0.23",
        "0.23: min_value and max_value of IterativeImputer may differ from feature to feature",
        _limits_of_features,
    ),
    Step(
        ("sklearn.decomposition._kernel_pca:KernelPCA",),
        "1.0",
        "1.0: alphas_ and lambdas_ are renamed eigenvectors_ and eigenvalues_",
        _eigen,
    ),
    Step(
        ("sklearn.preprocessing._polynomial:PolynomialFeatures",),
        "1.0",
        "1.0: PolynomialFeatures takes the lowest degree too",
        _power_range,
    ),
    Step(
        ("sklearn.cluster._kmeans:KMeans", "sklearn.cluster._kmeans:MiniBatchKMeans"),
        "0.23",
        "0.23: KMeans counts its threads when it is fitted",
        _threads,
    ),
    Step(
        ("sklearn.impute._base:SimpleImputer",),
        "1.8",
        "1.8: imputers tell the type of the values to fill from that of the fitted rows",
        _fill_dtype,
        _plain_statistics,
    ),
    Step(
        ("sklearn.impute._base:SimpleImputer",),
        "1.1",
        "1.1: SimpleImputer keeps the type of the rows that it was fitted on",
        _fit_dtype,
    ),
    Step(
        ("sklearn.impute._knn:KNNImputer",),
        "1.1",
        "1.1: KNNImputer keeps which features were not empty",
        _valid_mask,
    ),
    Step(
        ("sklearn.impute._iterative:IterativeImputer",),
        "1.6",
        "1.6: IterativeImputer knows which features were empty",
        _empty_features,
    ),
    Step(
        (f"{_ENCODERS}:OneHotEncoder",),
        "1.2",
        "1.2: sparse is renamed sparse_output; categories may be dropped after grouping",
        _one_hot,
    ),
    Step(
        (f"{_ENCODERS}:OrdinalEncoder",),
        "1.3",
        "1.3: OrdinalEncoder groups infrequent categories",
        _ordinal,
    ),
    Step(
        ("sklearn.preprocessing._target_encoder:TargetEncoder",),
        "1.4",
        "1.4: TargetEncoder takes several classes",
        added(classes_=None),
    ),
    Step(
        ("sklearn.kernel_approximation:AdditiveChi2Sampler",),
        "1.5",
        "1.5: sample_interval_ is removed",
        _sample_interval,
    ),
    Step(
        ("sklearn.kernel_approximation:RBFSampler",),
        "1.2",
        "1.2: the gamma in use has a name of its own",
        _gamma,
    ),
    Step(
        ("sklearn.decomposition._kernel_pca:KernelPCA",),
        "1.3",
        "1.3: the gamma in use has a name of its own",
        _kernel_gamma,
    ),
    Step(
        ("sklearn.preprocessing._function_transformer:FunctionTransformer",),
        "1.6",
        "1.6: force_all_finite is renamed ensure_all_finite; removed in 1.8",
        _finite_keyword("force_all_finite", "ensure_all_finite"),
        _finite_keyword("ensure_all_finite", "force_all_finite"),
    ),
    Step(
        ("sklearn.decomposition._fastica:FastICA",),
        "1.3",
        "1.3: whiten is a name, without a second attribute",
        _whitening,
    ),
    Step(
        ("sklearn.random_projection:BaseRandomProjection",),
        "1.2",
        "1.2: projections name their outputs",
        _features_out,
    ),
    Step(
        ("sklearn.cluster._agglomerative:AgglomerativeClustering",),
        "1.2",
        "1.2: affinity is renamed metric",
        together(renamed("affinity", "metric")),
    ),
)
