"""Support vector machines: training rows that they keep, and one coefficient per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model_quantization.families.family import Arrays, Example, Family, slots_for
from model_quantization.families.ladders import Coarser, Ladder
from model_quantization.graph.nodes import Node
from model_quantization.schemes.scheme import Role, Slot

# Ranges per feature: rows of training data have one scale per column, not one per row.
_VECTORS = Slot(Role.SUPPORT, channel_axis=1)
_COEFFICIENTS = Slot(Role.PARAMETER, channel_axis=0)


def examples() -> Iterable[Example]:
    """A classifier, one with probabilities, a regressor and an outlier detector."""
    from sklearn.datasets import make_classification
    from sklearn.svm import SVC, SVR, OneClassSVM

    rows, labels = make_classification(
        160, 12, n_informative=8, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    yield Example("multi-class", SVC().fit(rows, labels), rows)
    yield Example("binary", SVC(kernel="poly").fit(rows, labels == 1), rows)
    yield Example("regressor", SVR().fit(rows, rows[:, 0]), rows)
    yield Example("one-class", OneClassSVM().fit(rows), rows)


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
    options=options,
    coarser=coarser,
    examples=examples,
)
