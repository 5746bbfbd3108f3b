"""Real scikit-learn objects: taken apart into a graph, and made again from one.

Nothing here unpickles (`loading`) and nothing here answers rows (`predictor`).
"""
