"""Distances of rows to known rows: which could be the nearest, and which are."""
