"""Untrusted files, opened safely: `pickles` reads them, in a process that `sandbox` confines.

What is loaded becomes data in `estimators`; what the child is asked for lives in
`pipeline.child`.
"""
