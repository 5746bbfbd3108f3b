"""Binary classifiers that saw one class only: parts of models over several classes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.families.family import Component, Example, Family
from model_quantization.families.forms import Answer, LinearMap, LinearScores, Scores
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.families.shared.linear_scores import ScoredModel
from model_quantization.kernels.linear.stored_codes import StoredCodes
from model_quantization.schemes.scheme import Role, Slot

_CONSTANT = "sklearn.multiclass:_ConstantPredictor"


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The one answer, as a linear map without scores, so that it joins maps beside it."""
    answer, width = component.get("y_"), component.get("n_features_in_")
    if not isinstance(answer, np.ndarray) or answer.shape != (1,) or not isinstance(width, int):
        return NotFast("it has not one answer for rows of a known width")
    value = answer.astype(np.float64)
    pair = np.hstack([1 - value, value])

    def label(scores: Scores) -> Array:
        return np.repeat(answer, len(scores[0]))

    def proba(scores: Scores) -> Array:
        return np.repeat([pair], len(scores[0]), axis=0)

    nothing = StoredCodes((0, width), np.zeros(0), np.zeros(0, dtype=np.int8), None, True)
    one = LinearMap(lambda: np.zeros((width, 0)), None if exact else nothing, 0.0)
    answers = {
        "predict": Answer(label),
        "decision_function": Answer(label),
        "predict_proba": Answer(proba),
    }
    scores = LinearScores((one,), answers)
    model = ScoredModel(
        scores,
        exact,
        (component.path,),
        by="one answer for all rows",
        integers="kept" if exact else "float64",
    )
    return model.lowered()


def examples() -> Iterable[Example]:
    """Three classes of which one is a label that every row has, and one that no row has."""
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 40))
    labels = np.column_stack([rows[:, 0] > 0, np.ones(80), np.zeros(80)]).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a label is in all rows
        model = OneVsRestClassifier(LogisticRegression()).fit(rows, labels)
    yield Example("labels of every row", model, rows)


FAMILY = Family(
    name="constant",
    types=frozenset({_CONSTANT}),
    slots={"y_": Slot(Role.LABEL)},
    lower=lower,
    examples=examples,
)
