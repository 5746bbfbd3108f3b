"""Runs that are killed, starved and disturbed, and what has to be there afterwards."""

import pytest

pytest.register_assert_rewrite("tests.chaos.survival")
