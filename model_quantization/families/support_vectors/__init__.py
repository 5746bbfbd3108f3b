"""Support vector machines: training rows that they keep, and one coefficient per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model_quantization.families.family import Arrays, Component, Example, Family, slots_for
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.families.lowered import Lowered, NotFast
from model_quantization.graph.nodes import Node, ObjectNode
from model_quantization.schemes.scheme import Role, Slot

# Ranges per feature: rows of training data have one scale per column, not one per row.
_VECTORS = Slot(Role.SUPPORT, channel_axis=1)
_COEFFICIENTS = Slot(Role.PARAMETER, channel_axis=0)


def examples() -> Iterable[Example]:
    """Classifiers of each kernel, with probabilities and without, regressors, outlier detectors."""
    import warnings

    from sklearn.datasets import make_classification
    from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

    rows, labels = make_classification(
        160, 12, n_informative=8, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    names = [("north", "east", "south")[label] for label in labels]
    yield Example("multi-class", SVC().fit(rows, labels), rows)
    yield Example("binary", SVC(kernel="poly").fit(rows, labels == 1), rows)
    yield Example("regressor", SVR().fit(rows, rows[:, 0]), rows)
    yield Example("one-class", OneClassSVM().fit(rows), rows)
    linear = SVC(kernel="linear", decision_function_shape="ovo", class_weight="balanced")
    yield Example("linear", linear.fit(rows, names), rows)
    yield Example("linear pair", SVC(kernel="linear").fit(rows, labels > 0), rows)
    yield Example("linear regressor", SVR(kernel="linear").fit(rows, rows[:, 0]), rows)
    sigmoid = SVC(kernel="sigmoid", gamma=0.01, coef0=0.1, break_ties=True)
    yield Example("sigmoid", sigmoid.fit(rows, labels), rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `probability` is on its way out
        likely = NuSVC(nu=0.3, probability=True, random_state=0).fit(rows, names)
    yield Example("probabilities", likely, rows)
    cubic = NuSVR(kernel="poly", degree=2, coef0=1.0)
    yield Example("polynomial regressor", cubic.fit(rows, rows[:, 0] ** 2), rows)


def lower(component: Component, exact: bool) -> Lowered | NotFast:
    """The machine's sums in one pass over its vectors."""
    from model_quantization.families.support_vectors import answers

    return answers.lower(component, exact)


def fold(node: ObjectNode, arrays: Arrays) -> tuple[ObjectNode, str] | None:
    """A linear machine with its vectors added up."""
    from model_quantization.families.support_vectors import folding

    return folding.fold(node, arrays)


def options(node: Node, arrays: Arrays) -> tuple[Ladder, ...]:
    """The ladder of the support vectors."""
    from model_quantization.families.shared import solved_vectors

    return solved_vectors.options(node, arrays)


def coarser(node: Node, arrays: Arrays, levels: Mapping[str, str]) -> Coarser:
    """The machine with coarser vectors."""
    from model_quantization.families.shared import solved_vectors

    return solved_vectors.coarser(node, arrays, levels)


FAMILY = Family(
    name="svm",
    types=frozenset(
        f"sklearn.svm._classes:{name}" for name in ("SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM")
    ),
    slots={"support_vectors_": _VECTORS, "support_vectors_/data": Slot(Role.SUPPORT)}
    # Predictions use the underlined copies; both must stay the same numbers.
    | slots_for(("dual_coef_", "_dual_coef_"), _COEFFICIENTS)
    | slots_for(("intercept_", "_intercept_"), Slot(Role.BIAS))
    | slots_for(("_probA", "_probB", "offset_"), Slot(Role.CALIBRATION))
    | slots_for(("classes_", "class_weight_"), Slot(Role.LABEL))
    | slots_for(("support_", "_n_support"), Slot(Role.INDEX)),
    fold=fold,
    options=options,
    coarser=coarser,
    lower=lower,
    examples=examples,
)
