"""Models of unknown meaning: floating-point arrays by the recipe, everything else exact."""

from __future__ import annotations

from ml.quantization.families.family import Family
from ml.quantization.scheme import Role, Slot

FAMILY = Family(
    name="generic",
    types=frozenset(),
    slots={"*": Slot(Role.PARAMETER, channel_axis=-1)},
)
