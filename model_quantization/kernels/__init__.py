"""Arithmetic on arrays: C kernels, compiled when the package is built, beside their references.

A kernel is two things in one place, `kernels/<room>/<name>.py` and `<name>.c`.

**The reference** is a Python function with the decorator `kernel`. Its docstring is the kernel's
documentation, and its body, plain numpy, is the specification: it takes the same arguments by
position and writes to the same arrays. Where compiled kernels are in use, the decorator gives the
compiled kernel in its stead; under `MODEL_QUANTIZATION_KERNELS=reference` the function itself runs.

    @kernel
    def scale(values: Array, factor: float, out: Array) -> None:
        \"\"\"Fill `out` with `values * factor`; both float64 of one size, any shape.\"\"\"
        np.multiply(values, factor, out=out)

**The kernel** is a C function of the same name, on pointers and sizes (`native/kernel.h` has the
types). It knows nothing of Python and allocates nothing: what it needs to write to is an argument.

    #include "kernel.h"

    KERNEL none scale(f64_in values, f64 factor, f64_out out) {
        REQUIRE(values.size == out.size);
        for (i64 at = 0; at < values.size; at++)
            out.at[at] = values.at[at] * factor;
        return DONE;
    }

**The binding** is written by the build from that prototype; there is nothing to write by hand. It
refuses with TypeError an array of another type, one that is not contiguous or that must be written
and cannot; it copies and converts nothing.

- Parameters: `i64`, `f64` (numbers); `u8_in` ... `f64_out` (arrays of any shape: `.at`, `.size`);
  `f64_rows_in` ... (arrays of two dimensions: `.at`, `.rows`, `.columns`); `f64_steps_in` ... (one
  dimension with any stride: `AT_STEP`). `_in` is never written.
  A bool array is `u8`; `bytes` may be given for `u8_in`. At most 32 parameters, positional only.
- Results: `none`, `integer` (`RETURN(count);`), `truth` (`RETURN(found);`, a bool to Python). Give
  several numbers back through a small array.
- Several types: a source with `/* Compiled for each VALUE of f32, f64. */` is compiled once per
  type; `VALUE`, `IN(VALUE)`, `OUT(VALUE)`, `ROWS_IN(VALUE)` stand for it, and the call finds the
  variant by the types of its arrays. Two such lines make all pairs. Kernels that do not vary go to
  another source, what several sources share to a header in the room, as `INLINE` functions.
- Vectors: plain loops are vectorised by the compiler where they have no branch; gcc makes branches
  of `?:` with masks, so that loops of comparisons use `native/vectors.h` (`VECTOR_OF`, `LOAD`,
  `STORE`), which is as wide as the instruction set.
- Sizes: `REQUIRE(condition)` before anything is touched; a call that breaks it is a ValueError.
  Every index that a kernel follows is checked before the call or bounded in the kernel: an
  artifact may hold anything. `make sanitize` must stay silent.
- Floating point is IEEE: sums are taken in the order in which they stand. Where a score is
  promised within a bound of rounding only, write several partial sums to let vectors be used.
- Scratch room comes from the caller, as an `_out` array; a fixed size of a few KiB may be a local
  array. VLAs, malloc and static variables are not used.
- The interpreter's lock is let go when the arrays of a call hold 16 KiB or more together.
- Each source is compiled for every instruction set (`baseline`, `avx2`, `avx512`; `baseline`,
  `dotprod`): plain loops become the vectors of each. `#ifdef __AVX512VNNI__`, `__AVX2__` and
  `__ARM_FEATURE_DOTPROD` select intrinsics by hand, with a plain loop in the `#else`.

**The test** holds every available set equal to the reference: hypothesis makes the arguments, and
`agree(name, *arguments)` of `tests/kernels/agreement.py` runs all forms on copies and compares
results and arrays, bit for bit unless tolerances are given. Build with `make kernels` (or
`python -m kernel_build`); a kernel that the built module lacks is an ImportError when its module is
imported.
"""
