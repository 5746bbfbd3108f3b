"""The smallest of the candidate encodings of one array, in bounded time.

Every chain of filters is applied to the whole array (filters are a few vector operations). Coders
are the costly part, so all candidates are judged by coders at their fast settings, and only a
shortlist is encoded in full. An array of more than `SAMPLE_ABOVE` bytes is judged by a sample of
evenly spread blocks: first at fast settings, then the shortlist at its own, which leaves two.

A step counts as `STEP_BYTES`, about what its record costs in a compressed manifest, so that a
filter must save more than that. LZMA joins at the end, on the filters that suited zstd best, under
the conditions in `xz`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from model_quantization.arrays import Array
from model_quantization.codecs.abc import JSON, Chain, Coder, Effort, Spec
from model_quantization.codecs.chains import candidate_chains
from model_quantization.codecs.coders import constant, raw, xz, zstd
from model_quantization.codecs.coders.xz import LARGEST_RESULT, MUST_GAIN
from model_quantization.codecs.registry import REGISTRY
from model_quantization.values import Value

SAMPLE_ABOVE = 256 << 10
SAMPLE_BYTES = 128 << 10
SAMPLE_BLOCKS = 8
STEP_BYTES = 8
SHORTLIST = 3
FINALISTS = 2
# LZMA does not gain a fifth over the others: beyond this its result could not be used.
LZMA_HOPELESS_ABOVE = LARGEST_RESULT * 5 // 4


class Encoded(Value, frozen=True):
    """Steps and bytes of one array, compared by `cost`."""

    steps: tuple[dict[str, JSON], ...]
    data: bytes

    @property
    def cost(self) -> int:
        """Bytes of data, and `STEP_BYTES` per step."""
        return len(self.data) + STEP_BYTES * _count_steps(self.steps)


class Candidate(Value, frozen=True):
    """A chain whose sides are encoded, with one coder for what is left."""

    chain: Chain
    sides: bytes
    coder: Coder

    def encode(self, effort: Effort) -> Encoded:
        """The whole array, encoded."""
        params, data = self.coder.encode(self.chain.main, effort)
        steps = (*self.chain.steps, {"id": self.coder.id, **params})
        return Encoded(steps, self.sides + data)

    def estimate(self, sample: Array, effort: Effort) -> float:
        """The cost to expect, from a sample of what is left after the filters."""
        steps = _count_steps(self.chain.steps) + 1
        fixed = len(self.sides) + STEP_BYTES * steps
        if self.coder is raw.CODEC:
            return float(fixed + self.chain.main.nbytes)
        size = len(self.coder.encode(sample, effort)[1])
        return fixed + size * self.chain.main.nbytes / sample.nbytes


def encode_smallest(values: Array, effort: Effort, *, nested: bool = False) -> Encoded:
    """The smallest encoding of `values` (words) that was tried; ties go to the first."""
    if not values.size:
        return Encoded(({"id": raw.CODEC.id},), b"")
    if constant.is_constant(values):
        params, data = constant.CODEC.encode(values, effort)
        return Encoded(({"id": constant.CODEC.id, **params},), data)
    candidates = list(_candidates(values, effort, nested=nested))
    ranked = _ranked(candidates, "fast")
    if effort == "fast":
        return ranked[0].encode(effort)
    shortlist, finalists = ranked[:SHORTLIST], SHORTLIST
    if values.nbytes > SAMPLE_ABOVE:
        shortlist, finalists = _ranked(shortlist, effort), FINALISTS
    encoded = [candidate.encode(effort) for candidate in shortlist[:finalists]]
    best = min(encoded, key=lambda result: result.cost)
    suited = next(item for item in (*shortlist, *ranked) if item.coder is zstd.CODEC)
    return _with_lzma(replace(suited, coder=xz.CODEC), best)


def _ranked(candidates: list[Candidate], effort: Effort) -> list[Candidate]:
    scores = [candidate.estimate(_sample(candidate.chain.main), effort) for candidate in candidates]
    return [candidates[index] for index in sorted(range(len(scores)), key=scores.__getitem__)]


def _candidates(values: Array, effort: Effort, *, nested: bool) -> Iterable[Candidate]:
    for chain in candidate_chains(values, effort, nested=nested):
        filled, sides = _encode_sides(chain, effort)
        spec = Spec(chain.main.dtype, chain.main.size)
        for coder in chain.coders or REGISTRY.coders():
            if coder.accepts(spec):
                yield Candidate(filled, sides, coder)


def _encode_sides(chain: Chain, effort: Effort) -> tuple[Chain, bytes]:
    """The chain with the records of its sides filled in, and their bytes in order."""
    steps: list[dict[str, JSON]] = [dict(step) for step in chain.steps]
    pieces = []
    for side in chain.sides:
        encoded = encode_smallest(side.values, effort, nested=True)
        steps[side.step][side.name] = {
            "bytes": len(encoded.data),
            "count": int(side.values.size),
            "steps": cast("JSON", list(encoded.steps)),
        }
        pieces.append(encoded.data)
    return replace(chain, steps=tuple(steps)), b"".join(pieces)


def _with_lzma(candidate: Candidate, best: Encoded) -> Encoded:
    main = candidate.chain.main
    if best.cost > LZMA_HOPELESS_ABOVE:
        return best
    if not xz.CODEC.accepts(Spec(main.dtype, main.size)):
        return best
    encoded = candidate.encode("best")
    pays = encoded.cost < (1.0 - MUST_GAIN) * best.cost
    return encoded if pays and len(encoded.data) <= LARGEST_RESULT else best


def _sample(values: Array) -> Array:
    """`values` itself, or evenly spread blocks of it where it is long."""
    if values.nbytes <= SAMPLE_ABOVE:
        return values
    length = SAMPLE_BYTES // SAMPLE_BLOCKS // values.dtype.itemsize
    starts = np.linspace(0, values.size - length, SAMPLE_BLOCKS).astype(np.int64)
    return np.concatenate([values[start : start + length] for start in starts.tolist()])


def _count_steps(steps: tuple[dict[str, Any], ...]) -> int:
    sides = (value for step in steps for value in step.values() if isinstance(value, dict))
    return len(steps) + sum(len(side["steps"]) for side in sides)
