"""Counts the bad inputs that a session proves, and sets how long tests may take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from model_quantization.pipeline.child import probing

BAD_INPUTS = 69
# Rooms that quantize many models, and whose tests are not about what probe rows find.
FEW_QUESTIONS = frozenset({"estimators", "evaluation", "families", "predictor", "versions"})

# Tests assert no timings: a busy machine may pause between two examples.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    for marker in item.iter_markers("bad_input"):
        report.user_properties.extend(("bad_input", number) for number in marker.args)
    return report


@pytest.fixture(autouse=True)
def few_questions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask small models what large ones are asked, where the slow tests are left out.

    Two thirds of the time that quantizing a small model takes are its probe rows. The rooms
    `probes` and `pipeline` ask everything, and so does `make test-all`.
    """
    room = request.path.parent.name
    if room in FEW_QUESTIONS and "not slow" in (request.config.getoption("markexpr") or ""):
        monkeypatch.setattr(probing, "LARGE_BYTES", 0)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many of them were proven by this session, when it was about them."""
    if "bad_input" not in (config.getoption("markexpr") or ""):
        return
    seen: dict[str, set[int]] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            properties = getattr(report, "user_properties", ())
            seen.setdefault(outcome, set()).update(n for key, n in properties if key == "bad_input")
    proven = seen.get("passed", set()) - seen.get("failed", set()) - seen.get("error", set())
    missing = sorted(set(range(1, BAD_INPUTS + 1)) - proven)
    terminalreporter.write_line(
        f"bad inputs: {len(proven)} of {BAD_INPUTS}"
        + (f"; not proven: {', '.join(map(str, missing))}" if missing else "")
    )
