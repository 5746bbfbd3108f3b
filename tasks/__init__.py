"""Prefect tasks, one per file: a name, retries, and one call into the library.

Nothing here decides about models (`model_quantization`) or orders the tasks (`flows`).
"""
