"""Precision as values: what becomes of the numbers of an array, and how it is undone.

Lossless compression of bytes lives in `codecs`.
"""
