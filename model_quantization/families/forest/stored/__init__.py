"""Forests as an artifact stores them: the parts, and how they are decoded."""
