"""Precision as values: the stored form of an array's numbers, and the way back.

Lossless compression of bytes lives in `codecs`.
"""
