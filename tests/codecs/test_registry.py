"""Names of codecs: each once, and a list of them where one is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from model_quantization.codecs import REGISTRY, Registry, coders, filters
from model_quantization.codecs.abc import Chain, Effort
from model_quantization.codecs.chains import candidate_chains
from model_quantization.codecs.coders.raw import Raw
from model_quantization.codecs.filters.delta import Delta
from model_quantization.codecs.registry import codecs_in
from model_quantization.errors import CodecError


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="codec 'raw' is already registered"):
        Registry((Raw(), Raw()))


def test_the_registry_knows_what_it_is_given() -> None:
    registry = Registry((Raw(),))
    assert list(registry) == ["raw"]
    assert isinstance(registry["raw"], Raw)
    with pytest.raises(CodecError, match="unknown codec; expected one of raw, got 'zstd'"):
        registry["zstd"]


def test_every_codec_says_when_to_use_it() -> None:
    for name in REGISTRY:
        module = __import__(type(REGISTRY[name]).__module__, fromlist=["_"])
        assert "When to use" in (module.__doc__ or ""), name


def test_every_file_is_a_codec_and_adding_one_is_adding_a_file() -> None:
    found = [*codecs_in(filters), *codecs_in(coders)]
    files = [
        path
        for package in (filters, coders)
        for path in Path(package.__path__[0]).glob("*.py")
        if path.name != "__init__.py"
    ]
    assert len(found) == len(files) == len(list(REGISTRY))
    for codec in found:
        assert REGISTRY[codec.id] is codec


def test_filters_and_coders_have_an_order_of_their_own() -> None:
    orders = [codec.order for codec in REGISTRY.filters()]
    assert len(set(orders)) == len(orders) and orders == sorted(orders)
    assert [codec.id for codec in REGISTRY.coders()] == ["raw", "zstd", "pcodec"]


class Backwards(Delta):
    """A filter that the registry finds: it is tried because it says for which chains it is."""

    id: ClassVar[str] = "backwards"
    order: ClassVar[int] = 99

    def chains(self, plain: Chain, narrow: Chain) -> Iterator[Chain]:
        yield from plain.extended(self)


def test_a_filter_is_tried_because_it_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(1000, dtype=np.int64)

    def tried(effort: Effort) -> list[list[object]]:
        chains = candidate_chains(values, effort, nested=False)
        return [[step["id"] for step in chain.steps] for chain in chains]

    assert not any("backwards" in steps for steps in tried("best"))
    with_one_more = Registry([*(REGISTRY[name] for name in REGISTRY), Backwards()])
    monkeypatch.setattr("model_quantization.codecs.chains.REGISTRY", with_one_more)
    assert tried("best")[-1] == ["backwards"]
    assert not any("backwards" in steps for steps in tried("fast"))
