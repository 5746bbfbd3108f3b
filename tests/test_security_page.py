"""SECURITY.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from fuzz.targets import TARGETS
from model_quantization.config.run_config import LimitsConfig
from model_quantization.limits import GIB, MIB, Limits

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def shown(value: float) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB")):
        if value >= unit and value % unit == 0:
            return f"{value // unit} {name}"
    return f"{int(value):,}"


def test_every_limit_stands_in_the_table_with_its_default() -> None:
    section = PAGE.partition("## Limits")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.MULTILINE))
    assert rows == {name: shown(value) for name, value in asdict(Limits()).items()}
    assert set(rows) == set(LimitsConfig.model_fields)


def test_every_file_that_it_names_exists() -> None:
    for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|md))`", PAGE):
        places = (ROOT / name, ROOT / "model_quantization" / name)
        assert any(place.exists() for place in places), name
    for name in re.findall(r"`((?:\w+/)+)`", PAGE):
        assert (ROOT / "model_quantization" / name).is_dir() or (ROOT / name).is_dir(), name


def test_every_reader_is_fuzzed() -> None:
    assert {"scanner", "artifact", "manifest", "configuration", "release"} <= set(TARGETS)
