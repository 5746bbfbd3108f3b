"""Tests of the library, the tasks and the flows."""
