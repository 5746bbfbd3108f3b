"""A project of one's own: the files that start one.

`files/` holds them, as they are written. Where a project lies is known by `places`; how its
configuration is read, by `config`. Nothing here runs a model.
"""
