"""Hostile inputs, as bytes."""
