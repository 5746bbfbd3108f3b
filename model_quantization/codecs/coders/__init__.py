"""Codecs that turn an array into bytes. Each file is one, under the name `CODEC`.

The registry finds the files by itself; the search tries those that have an `order`.
"""
