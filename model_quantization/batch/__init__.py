"""Many models: which there are, what is unchanged, what is done again, and what becomes of errors.

Nothing here knows Prefect, and nothing here knows how one model is treated (`pipeline`).
"""
