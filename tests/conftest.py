"""Counts the bad inputs that a session proves, and lets hypothesis take its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

BAD_INPUTS = 69

# Tests assert no timings: a busy machine may pause between two examples.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    for marker in item.iter_markers("bad_input"):
        report.user_properties.extend(("bad_input", number) for number in marker.args)
    return report


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
