"""Models of models: parameters that were renamed, scorers, ties, boosters of other libraries."""

from __future__ import annotations

from typing import Any, Final

from model_quantization.loading.pickles.migrations.names import (
    DISTRIBUTIONS,
    SCORERS,
    distribution_text,
)
from model_quantization.loading.pickles.migrations.stand_ins import Gone, is_passthrough_scorer
from model_quantization.loading.pickles.migrations.steps import (
    State,
    Step,
    added,
    parse_release,
    renamed,
)
from model_quantization.loading.pickles.migrations.trees import RENAMED


def _scorers(state: State) -> None:
    for name in ("scorer_", "scoring", "_scorer"):
        if name in state:
            state[name] = _scorer(state[name], state.get("estimator"))


def _scorer(value: Any, estimator: Any) -> Any:
    """Today's scorer for what older versions saved as one."""
    from sklearn.metrics import _scorer as module

    if isinstance(value, dict):
        return {key: _scorer(each, estimator) for key, each in value.items()}
    if is_passthrough_scorer(value):
        return module._PassthroughScorer(estimator)
    if isinstance(value, Gone) and value.name in SCORERS:
        saved = vars(value)
        method = SCORERS[value.name]
        return module._Scorer(saved["_score_func"], saved["_sign"], saved["_kwargs"], method)
    return value


def _distributions(state: State) -> None:
    """Distributions that a search drew from as the text that makes them; only fitting draws."""
    drawn = state.get("param_distributions")
    if isinstance(drawn, dict):
        state["param_distributions"] = {key: _as_text(each) for key, each in drawn.items()}
    elif isinstance(drawn, list):
        state["param_distributions"] = [
            {key: _as_text(each) for key, each in one.items()} for one in drawn
        ]


def _as_text(value: Any) -> Any:
    if not isinstance(value, Gone) or value.name not in DISTRIBUTIONS:
        return value
    saved = vars(value)
    name = vars(saved["dist"]).get("name", "distribution")
    return distribution_text(name, saved["args"], saved["kwds"])


def _refits(state: State) -> None:
    refit = state.get("refit")
    if isinstance(refit, type) and issubclass(refit, Gone):
        state["refit"] = True


def _ties(state: State) -> str | None:
    if len(state.get("estimators_", ())) < 2:
        return None
    is_unshared = parse_release(state.get("_sklearn_version", "")) < (1, 7)
    return "UnsharedOneVsRest" if is_unshared else "LastOfTiesOneVsRest"


_CALIBRATED: Final = "sklearn.calibration"
_MULTIOUTPUT: Final = "sklearn.multioutput"

STEPS: Final = (
    Step(
        (f"{_CALIBRATED}:CalibratedClassifierCV", f"{_CALIBRATED}:_CalibratedClassifier"),
        "1.2",
        "1.2: base_estimator is renamed estimator",
        RENAMED,
    ),
    Step(
        (f"{_MULTIOUTPUT}:_BaseChain",),
        "1.7",
        "1.7: base_estimator is renamed estimator",
        RENAMED,
        renamed("estimator", "base_estimator"),
    ),
    Step(
        (f"{_MULTIOUTPUT}:ClassifierChain",),
        "1.5",
        "1.5: chains may pass on probabilities",
        added(chain_method="predict", chain_method_="predict"),
    ),
    Step(
        ("sklearn.semi_supervised._self_training:SelfTrainingClassifier",),
        "1.6",
        "1.6: base_estimator is renamed estimator",
        RENAMED,
    ),
    Step(
        ("sklearn.ensemble._stacking:StackingClassifier",),
        "1.2",
        "1.2: StackingClassifier encodes each output's labels",
        renamed("_le", "_label_encoder"),
    ),
    Step(
        ("sklearn.model_selection._search:BaseSearchCV",),
        "1.4",
        "1.4: one class of scorers, which says the method that it asks",
        _scorers,
    ),
    Step(
        ("sklearn.model_selection._search:BaseSearchCV",),
        "",
        "scipy.stats: reading a distribution runs code that the file holds, so that none is made",
        _distributions,
    ),
    Step(
        ("sklearn.model_selection._search_successive_halving:BaseSuccessiveHalving",),
        "1.0",
        "1.0: halving searches keep whether they refit, no longer the function that chooses",
        _refits,
    ),
    Step(
        ("sklearn.multiclass:OneVsRestClassifier",),
        "1.7",
        "1.7: rows that every classifier denies have no chances, no longer NaN",
        becomes=_ties,
    ),
    Step(
        ("sklearn.multiclass:OneVsRestClassifier",),
        "1.8",
        "1.8: of equal scores the first class wins, no longer the last",
        becomes=_ties,
    ),
)
