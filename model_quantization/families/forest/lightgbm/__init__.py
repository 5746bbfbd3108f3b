"""LightGBM models: their text, their state, and their answers from pooled trees."""
