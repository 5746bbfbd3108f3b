"""Settings of one model and of a whole run, and their files and schemas.

Defaults of limits live with the limits (`evaluation.policy`, `limits`), not here.
"""
