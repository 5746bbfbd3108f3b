"""What all tests of the command line need."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_handlers_of_flows() -> Iterator[None]:
    """Take away the handlers that a flow or `serve` of an earlier test gave to the root logger.

    They write to that test's standard error, which is closed, and logging complains of it on this
    test's.
    """
    root = logging.getLogger()
    found = [
        each
        for each in root.handlers
        if type(each) is logging.StreamHandler or type(each).__module__.startswith("prefect")
    ]
    for handler in found:
        root.removeHandler(handler)
    yield
    for handler in found:
        root.addHandler(handler)
