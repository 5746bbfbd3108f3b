"""Tests of the flow, its tasks and its settings."""
