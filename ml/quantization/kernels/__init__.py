"""Arithmetic on arrays: numba kernels beside the numpy references that specify them."""
