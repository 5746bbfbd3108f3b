"""Held-out rows: found, read from their file, and checked against the model.

Nothing here calls a model (`pipeline`) or judges an answer (`evaluation`).
"""
