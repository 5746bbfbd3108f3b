"""CatBoost models: their state, their flat buffer, and their answers from pooled trees."""
