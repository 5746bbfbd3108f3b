"""Which filters to try on an array, before any coder: the candidates of the search."""

from __future__ import annotations

from collections.abc import Iterator

from model_quantization.arrays import Array
from model_quantization.codecs.abc import Chain, Effort
from model_quantization.codecs.filters import demote, narrow
from model_quantization.codecs.registry import REGISTRY


def candidate_chains(values: Array, effort: Effort, *, nested: bool) -> Iterator[Chain]:
    """Yield the chains to try, in the order of their filters; ties go to the earlier one.

    Every chain begins with the two filters that never cost anything, where they apply: floats that
    are something smaller (`demote`), and integers in their narrowest width (`narrow`). Each other
    filter says itself which chains it is good for.

    Parameters
    ----------
    values : ndarray
        Words, at least one.
    effort : {"fast", "best"}
        `fast` leaves out the filters that are not `quick`.
    nested : bool
        Whether this is itself a side of another stream: then no filter with sides is tried.
    """
    plain = Chain(values)
    if values.dtype.kind == "f":
        plain = plain.then(demote.CODEC) or plain
    narrowed = plain.then(narrow.CODEC) or plain
    yield narrowed
    for codec in REGISTRY.filters():
        if (effort == "best" or codec.quick) and not (nested and codec.sides):
            yield from codec.chains(plain, narrowed)
