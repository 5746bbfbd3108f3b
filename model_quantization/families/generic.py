"""Models of unknown meaning: floating-point arrays by the recipe, everything else exact."""

from __future__ import annotations

from collections.abc import Iterable

from model_quantization.families.family import Example, Family
from model_quantization.schemes.scheme import Role, Slot


def examples() -> Iterable[Example]:
    """A transformer and a sampler that no family speaks for."""
    from sklearn.datasets import make_regression
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    rows, target = make_regression(120, 12, n_targets=2, random_state=0)
    analysis = NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=0)
    yield Example("transformer", analysis.fit(rows, target[:, 0] > 0), rows)


FAMILY = Family(
    name="generic",
    types=frozenset(),
    slots={"*": Slot(Role.PARAMETER, channel_axis=-1)},
    examples=examples,
)
