"""Untrusted files, opened safely: `pickles` reads them, in a process that `sandbox` confines.

`estimators` turns loaded objects into data; `pipeline.child` has the requests to the child.
"""
