"""Runs that are killed, lack resources or are disturbed, and what must exist afterwards."""

import pytest

pytest.register_assert_rewrite("tests.chaos.survival")
