"""A quantized model that answers, by fast predictors where its families have them.

It imports scikit-learn only when a method has no fast predictor (`estimators.restore`).
"""
