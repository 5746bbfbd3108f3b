"""Arithmetic of linear models, layers, naive Bayes, discriminants and calibrators."""
