"""Tests of reading model files safely."""
