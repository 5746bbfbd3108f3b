"""Linear models: what a logistic regression's probabilities mean, and what others hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from model_quantization.loading.pickles.migrations.stand_ins import Gone
from model_quantization.loading.pickles.migrations.steps import State, Step, renamed, together

_UNSET: Final = ("auto", "deprecated")


def _is_one_vs_rest(state: State) -> bool:
    form = state.get("multi_class", "auto")
    if form in _UNSET:
        return len(state["classes_"]) <= 2 or state.get("solver") == "liblinear"
    return form in ("ovr", "warn")


def _logistic(cross_validated: str) -> Step:
    def becomes(state: State) -> str | None:
        if "classes_" not in state or "coef_" not in state:
            return None  # not fitted
        if ("Cs" in state) is not bool(cross_validated):
            return None  # the one with cross-validation is derived from the one without
        one_vs_rest = _is_one_vs_rest(state)
        state.pop("multi_class", None)
        if one_vs_rest:
            several = len(state["classes_"]) > 2
            return f"OneVsRestLogistic{cross_validated}" if several else None
        two = len(state["classes_"]) == 2
        return f"SoftmaxOfTwoLogistic{cross_validated}" if two else None

    return Step(
        (f"sklearn.linear_model._logistic:LogisticRegression{cross_validated}",),
        "1.8",
        "1.8: the parameter multi_class is removed; liblinear takes two classes only",
        becomes=becomes,
    )


def _classes_of_ridge(state: State) -> None:
    binarizer = state.get("_label_binarizer")
    if binarizer is not None and "classes_" not in state:
        state["classes_"] = binarizer.classes_


def _ridge_of_labels(state: State) -> str | None:
    """Before 1.0 a multilabel target was fitted, and one label answered: that of the best score."""
    binarizer = state.get("_label_binarizer")
    several = str(getattr(binarizer, "y_type_", "")).startswith("multilabel")
    return "HighestScoreRidgeCV" if several else None


def _loss_without_class(state: State) -> None:
    for name in ("_loss_function_", "loss_function_"):
        if isinstance(state.get(name), Gone):
            del state[name]  # only fitting asks for it


def _base_loss(state: State) -> None:
    """The loss of a generalized linear model, which knows the link; before 1.1 there were two."""
    from sklearn._loss import loss

    for name in ("_family_instance", "_link_instance", "family"):
        state.pop(name, None)
    if "_base_loss" in state or "coef_" not in state:
        return
    power, link = state.get("power"), state.get("link", "auto")
    if power is None:
        return  # the step of the class itself knows
    is_identity = link == "identity" or (link == "auto" and power <= 0)
    maker = loss.HalfTweedieLossIdentity if is_identity else loss.HalfTweedieLoss
    state["_base_loss"] = maker(power=power)


def _loss_of(name: str) -> Callable[[State], None]:
    def add(state: State) -> None:
        from sklearn._loss import loss

        state.pop("link", None)
        if "coef_" in state:
            state.setdefault("_base_loss", getattr(loss, name)())

    return add


def _transposed_pls(state: State) -> None:
    """Until 1.0 coef_ was (features, targets), and the intercept was the mean of the targets."""
    if "coef_" in state and "intercept_" not in state:
        state["coef_"] = state["coef_"].T
        state["intercept_"] = state["_y_mean"]


def _coefficients_of_pls(state: State) -> None:
    renamed("_coef_", "coef_")(state)
    state.setdefault("_predict_1d", False)


def _unscaled_pls(state: State) -> None:
    if "coef_" in state:
        state["coef_"] = state["coef_"] / state["_x_std"]


def _scaled_pls(state: State) -> None:
    if "coef_" in state:
        state["coef_"] = state["coef_"] * state["_x_std"]


def _without_normalize(state: State) -> None:
    state.pop("normalize", None)


def _loss_names(state: State) -> None:
    state["loss"] = {"log": "log_loss", "squared_loss": "squared_error"}.get(
        state["loss"], state["loss"]
    )


_LINEAR: Final = "sklearn.linear_model"

STEPS: Final = (
    # CV first: a class's steps are found by name, and LogisticRegressionCV is derived from the
    # other class; the later step decides.
    _logistic(""),
    _logistic("CV"),
    Step(
        (f"{_LINEAR}._ridge:_RidgeClassifierMixin",),
        "1.8",
        "1.8: classes_ of RidgeClassifier is an attribute, no longer a property",
        _classes_of_ridge,
    ),
    Step(
        (f"{_LINEAR}._ridge:RidgeClassifierCV",),
        "1.0",
        "1.0: RidgeClassifier and RidgeClassifierCV answer every label of multilabel targets",
        becomes=_ridge_of_labels,
    ),
    Step(
        (f"{_LINEAR}._ridge:RidgeCV", f"{_LINEAR}._ridge:RidgeClassifierCV"),
        "1.5",
        "1.5: store_cv_values is renamed store_cv_results",
        together(
            renamed("store_cv_values", "store_cv_results"), renamed("cv_values_", "cv_results_")
        ),
    ),
    Step(
        (f"{_LINEAR}._stochastic_gradient:BaseSGD",),
        "1.3",
        "1.1 and 1.0: the losses log and squared_loss are renamed log_loss and squared_error",
        _loss_names,
    ),
    Step(
        (f"{_LINEAR}._stochastic_gradient:BaseSGD",),
        "1.4",
        "1.4: loss_function_ of SGD models is private",
        renamed("loss_function_", "_loss_function_"),
    ),
    Step(
        (f"{_LINEAR}._stochastic_gradient:BaseSGD",),
        "",
        "1.6: the classes of losses Log, SquaredLoss and Huber are removed",
        _loss_without_class,
    ),
    Step(
        (f"{_LINEAR}._bayes:BayesianRidge", f"{_LINEAR}._bayes:ARDRegression"),
        "1.3",
        "1.3: n_iter is renamed max_iter",
        renamed("n_iter", "max_iter"),
    ),
    Step(
        (f"{_LINEAR}._ransac:RANSACRegressor",),
        "1.1",
        "1.1: base_estimator is renamed estimator",
        renamed("base_estimator", "estimator"),
    ),
    Step(
        (f"{_LINEAR}._base:LinearModel",),
        "1.2",
        "1.2: the parameter normalize is removed; coef_ always was that of rows as they are",
        _without_normalize,
    ),
    Step(
        (f"{_LINEAR}._glm.glm:PoissonRegressor",),
        "1.1",
        "1.1: generalized linear models use the losses of sklearn._loss",
        _loss_of("HalfPoissonLoss"),
    ),
    Step(
        (f"{_LINEAR}._glm.glm:GammaRegressor",),
        "1.1",
        "1.1: generalized linear models use the losses of sklearn._loss",
        _loss_of("HalfGammaLoss"),
    ),
    Step(
        (f"{_LINEAR}._glm.glm:_GeneralizedLinearRegressor",),
        "1.1",
        "1.1: generalized linear models use the losses of sklearn._loss",
        _base_loss,
    ),
    Step(
        ("sklearn.cross_decomposition._pls:_PLS", "sklearn.cross_decomposition._pls:PLSSVD"),
        "0.24",
        "0.24: means and deviations of PLS models are private",
        together(
            *(renamed(f"{name}_", f"_{name}") for name in ("x_mean", "y_mean", "x_std", "y_std"))
        ),
    ),
    Step(
        ("sklearn.cross_decomposition._pls:_PLS",),
        "1.1",
        "1.1: PLS models have an intercept",
        _transposed_pls,
    ),
    Step(
        ("sklearn.cross_decomposition._pls:_PLS",),
        "1.3",
        "1.3: coef_ of PLS models is transposed, as the private _coef_ was before",
        _coefficients_of_pls,
    ),
    Step(
        ("sklearn.cross_decomposition._pls:_PLS",),
        "1.5",
        "1.5: coef_ of PLS models is that of rows that are centred but not scaled",
        _unscaled_pls,
        _scaled_pls,
    ),
)
