"""Arithmetic on arrays: compiled kernels beside the numpy references that specify them.

Kernels know arrays alone: no model, no node, no file. Whoever calls one has checked its inputs.
"""
