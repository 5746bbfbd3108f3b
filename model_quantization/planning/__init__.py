"""Precision per array: packing, plan, ranges, coarsening, search and encoding.

What a scheme does to numbers lives in `schemes`; what an array means in `families`.
"""
