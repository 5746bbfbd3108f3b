"""Precision per array: packing, plan, ranges, coarsening, ladders, allocation and encoding.

The effect of a scheme on numbers lives in `schemes`, the meaning of an array in `families`.
"""
