"""The parts of a file that hold a vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_quantization.arrays import Array
from model_quantization.kernels.text.vocabulary import PackedTerms, TermTree, grow_tree

STREAMS = ("prefix", "length", "data", "popularity", "fanout", "gaps")
# In the place of `fanout` in older files: the same numbers, the first level by symbol.
CHILDREN = "children"
ENDS = "ends"


def stored_terms(packed: PackedTerms) -> dict[str, Array]:
    """The arrays of a vocabulary by the names of their parts."""
    found = {f"terms.{name}": getattr(packed, name) for name in STREAMS}
    return found | ({f"terms.{ENDS}": packed.ends} if packed.ends.size else {})


def read_terms(part: Callable[[str], Array], has_part: Callable[[str], bool]) -> TermTree:
    """The searchable tree of the vocabulary in a file.

    Parameters
    ----------
    part : callable
        The array of a part.
    has_part : callable
        Whether there is such a part.

    Raises
    ------
    SemanticError
        The parts make no tree.
    """
    by_symbol = has_part(f"terms.{CHILDREN}")
    names = {name: CHILDREN if name == "fanout" and by_symbol else name for name in STREAMS}
    arrays = {field: part(f"terms.{name}") for field, name in names.items()}
    ends = part(f"terms.{ENDS}") if has_part(f"terms.{ENDS}") else np.zeros(0, dtype=np.bool_)
    return grow_tree(PackedTerms(**arrays, ends=ends, by_rank=not by_symbol))
