"""Which filters to try on an array, before any coder: the candidates of the search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Effort, Filter
from model_quantization.codecs.bitpack import Bitpack
from model_quantization.codecs.delta import Delta
from model_quantization.codecs.demote import Demote
from model_quantization.codecs.narrow import Narrow
from model_quantization.codecs.palette import Palette
from model_quantization.codecs.shuffle import Shuffle
from model_quantization.codecs.sparse import Sparse

ANY_CODER = ("raw", "zstd", "pcodec")
BYTE_CODER = ("zstd",)


@dataclass(frozen=True, slots=True)
class Side:
    """An array that a filter stores apart, and where its record goes in the step."""

    step: int
    name: str
    values: Array


@dataclass(frozen=True, slots=True)
class Chain:
    """Filters applied to an array, and the array that is left for a coder.

    Attributes
    ----------
    main : ndarray
        What the coder gets.
    steps : tuple of dict
        The filters so far; the records of sides are still to be filled in.
    sides : tuple of Side
        In the order in which they are stored.
    coders : tuple of str
        Coders worth trying on `main`.
    """

    main: Array
    steps: tuple[dict[str, JSON], ...] = ()
    sides: tuple[Side, ...] = ()
    coders: tuple[str, ...] = ANY_CODER

    def then(self, codec: Filter) -> Chain | None:
        """The chain with one more filter, or None where that does not apply."""
        filtered = codec.encode(self.main)
        if filtered is None:
            return None
        added = tuple(
            Side(len(self.steps), name, values) for name, values in filtered.sides.items()
        )
        return replace(
            self,
            main=filtered.main,
            steps=(*self.steps, {"id": codec.id, **filtered.params}),
            sides=self.sides + added,
        )


def candidate_chains(values: Array, effort: Effort, *, nested: bool) -> Iterator[Chain]:
    """The chains to try, most usual first; ties go to the earlier one.

    Parameters
    ----------
    values : ndarray
        Words, at least one.
    effort : {"fast", "best"}
        `fast` leaves out deltas, shuffles and sparse forms.
    nested : bool
        Whether this is itself a side of another stream: then no filter with sides is tried.
    """
    start = Chain(values)
    if values.dtype.kind == "f":
        start = start.then(Demote()) or start
    base = start.then(Narrow()) or start
    yield base
    yield from _present(base.then(Bitpack()))
    if not nested:
        palette = base.then(Palette())
        yield from _present(palette)
        if palette:
            yield from _present(palette.then(Bitpack()))
    if effort == "fast":
        return
    delta = start.then(Delta())
    if delta:
        yield delta.then(Narrow()) or delta
    shuffled = base.then(Shuffle())
    if shuffled:
        yield replace(shuffled, coders=BYTE_CODER)
    if not nested:
        yield from _present(base.then(Sparse()))


def _present(chain: Chain | None) -> Iterator[Chain]:
    if chain is not None:
        yield chain
