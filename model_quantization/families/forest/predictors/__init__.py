"""Fast predictors of forests, one file per way that trees become an answer.

How trees are stored lives in `stored`, how they are read from estimators in `trees`.
"""
