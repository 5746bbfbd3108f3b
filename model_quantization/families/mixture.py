"""Gaussian mixtures: the density of a row under each component."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family, slots_for
from model_quantization.families.lowered import Lowered, Method, NotFast
from model_quantization.families.shared.steps import all_finite
from model_quantization.kernels.linear.linear import softmax
from model_quantization.kernels.linear.mixtures import (
    KINDS,
    Digamma,
    Mixture,
    MixtureScores,
    digamma,
    log_of_sums,
    quick_log_of_sums,
)
from model_quantization.schemes.scheme import Role, Slot

_PLAIN = "sklearn.mixture._gaussian_mixture:GaussianMixture"
_BAYESIAN = "sklearn.mixture._bayesian_mixture:BayesianGaussianMixture"
_FACTORS = "precisions_cholesky_"

# A function of the digamma function to use: the terms that log densities get added.
Added = Callable[[Array, Digamma], Array]


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """Densities from one product; bit for bit as scikit-learn's where `exact` promises it."""
    mixture = _mixture(component)
    if isinstance(mixture, NotFast):
        return mixture
    added = _bayesian(component, mixture) if component.type == _BAYESIAN else _weights(component)
    if isinstance(added, NotFast):
        return added
    with np.errstate(all="ignore"):
        quick = MixtureScores.of(mixture, added(np.zeros(len(mixture.means)), digamma))
    if not (np.isfinite(quick.constants).all() and np.isfinite(quick.weights).all()):
        return NotFast("a component has no weight, or no precision")

    def predict(rows: Array) -> Array | None:
        return quick.winners(rows) if rows.dtype.char == "d" else None

    def of_scores(answer: Callable[[Array], Array]) -> Method:
        def call(rows: Array) -> Array | None:
            scores = quick.scores(rows)
            return answer(scores) if np.isfinite(scores).all() else None

        return call

    def in_full(answer: Callable[[Array], Array]) -> Method:
        def call(rows: Array) -> Array:
            from scipy.special import digamma as known

            return answer(added(mixture.log_densities(rows), known))

        return call

    others = {
        "predict_proba": in_full(_shares) if exact else of_scores(softmax),
        "score_samples": in_full(log_of_sums) if exact else of_scores(quick_log_of_sums),
    }
    methods: dict[str, Method] = {name: _of_doubles(call) for name, call in others.items()}
    methods["predict"] = predict
    return Lowered(
        methods,
        by=f"densities of {len(mixture.means)} components",
        names=(component.path,),
        n_features=mixture.means.shape[1],
        takes="floats",
        decides_by="predict_proba",
    )


def _of_doubles(answer: Method) -> Method:
    """The answer for finite rows of float64: scikit-learn keeps the type of others."""

    def call(rows: Array) -> Array | None:
        if rows.dtype.char != "d" or not all_finite(rows):
            return None
        found: Array | None = answer(rows)
        return found

    return call


def _mixture(component: Component) -> Mixture | NotFast:
    kind, means, factors = (component.get(name) for name in ("covariance_type", "means_", _FACTORS))
    if kind not in KINDS or not all(isinstance(each, np.ndarray) for each in (means, factors)):
        return NotFast("its components are no arrays")
    if means.ndim != 2 or not means.size or means.dtype.char != "d" or factors.dtype.char != "d":
        return NotFast("its components are no float64")
    count, width = means.shape
    shapes = {
        "full": (count, width, width),
        "tied": (width, width),
        "diag": (count, width),
        "spherical": (count,),
    }
    if factors.shape != shapes[kind]:
        return NotFast("the factors of its precisions do not fit its means")
    return Mixture(kind, means, factors)


def _weights(component: Component) -> Added | NotFast:
    weights = component.get("weights_")
    if not isinstance(weights, np.ndarray) or weights.dtype.char != "d":
        return NotFast("the weights of its components are no float64")

    def added(densities: Array, digamma: Digamma) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(densities + np.log(weights))

    return added


def _bayesian(component: Component, mixture: Mixture) -> Added | NotFast:
    """The terms of a component's posterior, with scikit-learn's operations."""
    count, width = mixture.means.shape
    freedom, certainty = component.get("degrees_of_freedom_"), component.get("mean_precision_")
    process = component.get("weight_concentration_prior_type") == "dirichlet_process"
    shares = component.get("weight_concentration_")
    parts = list(shares) if process and isinstance(shares, tuple) else [shares]
    for each in (freedom, certainty, *parts):
        if not isinstance(each, np.ndarray) or each.shape != (count,) or each.dtype.char != "d":
            return NotFast("the posterior of its components is no float64 for each")
        if not (each > 0).all():
            return NotFast("the posterior of its components is not above zero")
    if len(parts) != (2 if process else 1) or not (freedom > width - 1).all():
        return NotFast("the posterior of its components does not fit its kind")

    def added(densities: Array, digamma: Digamma) -> Array:
        found = densities - 0.5 * width * np.log(freedom)
        spread = width * np.log(2.0) + np.sum(
            digamma(0.5 * (freedom - np.arange(0, width)[:, np.newaxis])), 0
        )
        found = found + 0.5 * (spread - width / certainty)
        if process:
            total = digamma(parts[0] + parts[1])
            first, second = digamma(parts[0]), digamma(parts[1])
            weights = first - total + np.hstack((0, np.cumsum(second - total)[:-1]))
        else:
            weights = digamma(parts[0]) - digamma(np.sum(parts[0]))
        return np.asarray(found + weights)

    return added


def _shares(scores: Array) -> Array:
    with np.errstate(under="ignore"):
        shares = scores - log_of_sums(scores)[:, np.newaxis]
    return np.asarray(np.exp(shares))


def examples() -> Iterable[Example]:
    """Every kind of covariance, and both kinds of weights."""
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(160, 6)) @ rng.normal(size=(6, 6)) + 4.0 * (np.arange(160) % 3)[:, None]
    for kind in ("full", "spherical"):
        made = GaussianMixture(3, covariance_type=kind, random_state=0)
        yield Example(kind, made.fit(rows), rows)
    process = BayesianGaussianMixture(
        n_components=3, covariance_type="tied", random_state=0, tol=0.1
    )
    yield Example("process", process.fit(rows), rows)
    shares = BayesianGaussianMixture(
        n_components=3,
        covariance_type="diag",
        weight_concentration_prior_type="dirichlet_distribution",
        random_state=0,
        tol=0.1,
    )
    yield Example("shares", shares.fit(rows), rows)


_DIVIDED = "distances are divided by deviations that may be next to nothing"
FAMILY = Family(
    name="mixture",
    types=frozenset({_PLAIN, _BAYESIAN}),
    slots={
        _FACTORS: Slot(Role.STATISTIC, note=_DIVIDED),
        "means_": Slot(Role.STATISTIC, note=_DIVIDED),
    }
    # Answers come from the factors alone; these are for drawing rows, and for reading.
    | slots_for(("covariances_", "precisions_"), Slot(Role.PARAMETER, channel_axis=-1)),
    lower=lower,
    examples=examples,
)
