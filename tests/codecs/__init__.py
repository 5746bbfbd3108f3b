"""Tests of streams, strings and schemes."""
