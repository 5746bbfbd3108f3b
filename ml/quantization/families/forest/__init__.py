"""Forests and boosted trees: all trees of a model pooled into a handful of small arrays."""

from __future__ import annotations

from ml.quantization.families.family import Family
from ml.quantization.families.forest.kinds import KINDS, RESIDUE

__all__ = ["FAMILY"]
from ml.quantization.families.forest.packing import pack, unpack

FAMILY = Family(name="forest", types=frozenset(KINDS), residue=RESIDUE, pack=pack, unpack=unpack)
