"""Settings of one model and of a whole run, and the files and schemas that give them.

Defaults of limits live with the limits (`evaluation.policy`, `limits`), not here.
"""
