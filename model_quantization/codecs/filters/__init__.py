"""Codecs that rewrite an array as smaller arrays. Each file is one, under the name `CODEC`.

The registry finds the files by itself; `chains.py` asks each filter which chains to try.
"""
