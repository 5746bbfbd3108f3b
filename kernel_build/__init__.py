"""Builds the compiled kernels: reads their prototypes, writes their bindings, compiles, links.

`python -m kernel_build` builds them in place, in a checkout; the package's own build does the
same. See docs/decisions for why it is done like this, and `model_quantization/kernels/__init__.py`
for how a kernel is added.
"""
