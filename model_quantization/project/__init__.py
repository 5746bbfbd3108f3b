"""The files that start a project.

`files/` has them as they are written. `places` finds a project, and `config` reads its
configuration. Nothing here runs a model.
"""
