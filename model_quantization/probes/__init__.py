"""Probe rows: rows made from a model itself, to test its artifact before it is published.

`values` collects the inputs at which a model's answer is likely to change, `made_rows` makes rows
of them, `forms` gives these every form that a model takes, `reactions` records answers and errors,
and `compare` finds where two models react differently. Nothing here judges a loss on held-out rows
(`evaluation`).
"""
