"""A fitted model as data: nodes, arrays beside them, paths, plain values and public methods.

Nothing here imports scikit-learn; `estimators` turns real objects into a graph and back.
"""
