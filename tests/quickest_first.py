"""A plugin of pytest for mutation tests: the quickest tests first, so that a fault is soon noticed.

mutmut measures every test once, and stops at the first that fails; it gives them in no order.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

MEASURED = Path("mutmut-stats.json")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by the seconds that they took, where those are known."""
    if MEASURED.exists():
        seconds = json.loads(MEASURED.read_text("utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
