"""XGBoost models: their binary JSON, their state, and their answers from pooled trees."""
