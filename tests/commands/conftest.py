"""What all tests of the command line need."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def no_handlers_of_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the handlers that a flow of an earlier test gave to the package's logger.

    They write to that test's standard error, which is closed, and logging complains of it on this
    test's.
    """
    monkeypatch.setattr(logging.getLogger("model_quantization"), "handlers", [])
