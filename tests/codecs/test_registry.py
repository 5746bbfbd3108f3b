"""Names of codecs: each once, and a list of them where one is unknown."""

from __future__ import annotations

import pytest

from model_quantization.codecs import REGISTRY, Registry
from model_quantization.codecs.raw import Raw
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
