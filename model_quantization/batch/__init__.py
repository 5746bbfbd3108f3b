"""Many models: the files of a directory, unchanged ones, jobs, retries and failures.

Nothing here knows Prefect, or how one model is quantized (`pipeline`).
"""
