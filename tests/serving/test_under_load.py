"""No wrong answer and no exception, whatever happens to the files while threads ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.load import serve_under_load


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_INTENT_MODEL", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)


def test_a_short_storm(tmp_path: Path) -> None:
    figures = serve_under_load(tmp_path, switches=60, switches_a_minute=1200)
    assert figures.calls > 100 and figures.wrong == 0 and figures.errors == []
    assert figures.switches == 60


@pytest.mark.slow
def test_two_hundred_switches_a_minute_for_a_minute(tmp_path: Path) -> None:
    figures = serve_under_load(tmp_path, switches=200, switches_a_minute=200)
    assert figures.wrong == 0 and figures.errors == []
    assert figures.switches == 200 and len(figures.seen) == 3
    assert figures.descriptor_growth <= 2  # one look, or one load, may be under way
    assert figures.rss_growth_bytes < 64 << 20
