"""Looking after machines, artifacts and releases: checks, contents, and earlier releases.

Functions here return values or raise; they print nothing and read no arguments (`commands`).
Nothing here quantizes a model (`pipeline`, `batch`) or serves one (`serving`).
"""
