"""Encoders: categories, bins and labels, of which nothing may ever be rounded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ml.quantization.families.family import Example, Family, slots_for
from ml.quantization.scheme import Role, Slot

_TYPES = frozenset(
    f"sklearn.preprocessing.{module}:{name}"
    for module, names in {
        "_encoders": ("OneHotEncoder", "OrdinalEncoder"),
        "_target_encoder": ("TargetEncoder",),
        "_label": ("LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer"),
        "_discretization": ("KBinsDiscretizer",),
    }.items()
    for name in names
)
_SLOTS = {
    "bin_edges_": Slot(Role.THRESHOLD, note="an edge decides in which bin a value is"),
    "bin_edges_/*": Slot(Role.THRESHOLD, note="an edge decides in which bin a value is"),
    "encodings_/*": Slot(Role.STATISTIC),
    "target_mean_": Slot(Role.STATISTIC),
} | slots_for(("categories_/*", "classes_", "classes_/*", "*"), Slot(Role.LABEL))


def examples() -> Iterable[Example]:
    """Categories as strings and as numbers, and bins."""
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder

    rng = np.random.default_rng(0)
    numbers = rng.choice([0.1, 0.30000000000000004, 7.25], size=(60, 3))
    names = np.array(["north", "north-east", "south"], dtype=object)[rng.integers(0, 3, (60, 2))]
    yield Example("names", OneHotEncoder().fit(names), names)
    yield Example("numbers", OneHotEncoder(handle_unknown="ignore").fit(numbers), numbers)
    yield Example("ordinal", OrdinalEncoder().fit(names), names)
    bins = KBinsDiscretizer(5, encode="ordinal", quantile_method="averaged_inverted_cdf")
    yield Example("bins", bins.fit(numbers + rng.normal(size=(60, 3))), numbers)


FAMILY = Family(name="encoders", types=_TYPES, slots=_SLOTS, examples=examples)
