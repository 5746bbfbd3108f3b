"""Models by name for a serving process: the artifact while it is good, else the original.

How an artifact answers lives in `predictor`.
"""
