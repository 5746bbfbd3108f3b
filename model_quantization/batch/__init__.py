"""Many models: the files of a directory, unchanged ones, jobs, retries and failures.

Nothing here knows Prefect, and nothing here knows how one model is treated (`pipeline`).
"""
