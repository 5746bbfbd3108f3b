"""Bytes written by earlier versions stay readable; `make_golden` makes them, tests never do."""

from __future__ import annotations

import json

import pytest

from model_quantization.codecs import REGISTRY, decode_stream
from tests.codecs.golden_cases import DIRECTORY, cases
from tests.codecs.pipelines import bits, encode_with

CASES = cases()


def test_every_codec_has_a_golden_file() -> None:
    used = {name for codecs, _ in CASES.values() for name in codecs}
    assert used == set(REGISTRY)


def test_there_is_a_case_for_every_golden_file() -> None:
    assert {path.stem for path in DIRECTORY.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_golden_bytes_decode_to_the_array(name: str) -> None:
    codecs, values = CASES[name]
    record = json.loads((DIRECTORY / f"{name}.json").read_text())
    data = (DIRECTORY / f"{name}.bin").read_bytes()
    decoded = decode_stream(
        record["pipeline"], record["dtype"], record["count"], data, max_bytes=1 << 20
    )
    assert [step["id"] for step in record["pipeline"]] == list(codecs)
    assert decoded.dtype == values.dtype
    assert bits(decoded) == bits(values)


@pytest.mark.parametrize("name", CASES)
def test_the_steps_written_today_are_those_of_the_golden_file(name: str) -> None:
    codecs, values = CASES[name]
    record = json.loads((DIRECTORY / f"{name}.json").read_text())
    assert json.loads(json.dumps(encode_with(codecs, values).pipeline)) == record["pipeline"]
