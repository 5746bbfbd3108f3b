"""Arithmetic on trees: packed topology, layouts, traversals and sums of leaves."""
