"""Models of unknown meaning: floating-point arrays by the recipe, everything else exact."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Example, Family
from model_quantization.schemes.scheme import Role, Slot


def examples() -> Iterable[Example]:
    """A regressor and a transformer that no family speaks for."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.datasets import make_regression
    from sklearn.preprocessing import SplineTransformer

    rows, target = make_regression(120, 12, n_targets=2, random_state=0)
    yield Example("regressor", PLSRegression(4).fit(rows, target), rows)
    yield Example("transformer", SplineTransformer().fit(rows), rows)


FAMILY = Family(
    name="generic",
    types=frozenset(),
    slots={"*": Slot(Role.PARAMETER, channel_axis=-1)},
    examples=examples,
)
