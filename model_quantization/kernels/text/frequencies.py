"""idf as document frequencies: idf = log(n / d) + 1, where n and d are whole numbers.

Whole numbers compress well; logarithms do not. But a library's logarithm may differ in the last
bit from one processor to the next, so the logarithm here is made of additions, multiplications
and divisions alone, which give the same bits everywhere, and what the model holds beyond that is
kept as a correction in units of the last place, one for each distinct frequency.
"""

from __future__ import annotations

import numpy as np

from model_quantization.arrays import Array
from model_quantization.errors import SemanticError
from model_quantization.kernels.arrays import narrowed, narrowed_in_two
from model_quantization.values import Value

_MOST_DOCUMENTS = 1 << 31
_RAREST = 64  # the rarest term of a real vocabulary is in fewer documents than this
_TERMS = 27  # of the series; the remainder is below 2**-60 for mantissas from 0.7 to 1.42
_MOST_MARKED = 1 << 20
_LN2 = 0.6931471805599453


class Frequencies(Value, frozen=True):
    """Document frequencies that explain an idf array to the bit.

    Attributes
    ----------
    counts : unsigned integer array, (n_terms,)
        d of each term.
    total : int
        n.
    corrections : int8 array, (n_distinct,)
        Units in the last place to add to the formula, by ascending distinct d.
    dtype : {"<f8", "<f4"}
    """

    counts: Array
    total: int
    corrections: Array
    dtype: str


def find_frequencies(idf: Array) -> Frequencies | None:
    """The frequencies behind an idf array, or None when they do not explain every bit of it."""
    if idf.ndim != 1 or not idf.size or idf.dtype.str not in ("<f8", "<f4"):
        return None
    exact = idf.astype(np.float64)
    if not np.isfinite(exact).all() or exact.min() < 1.0 or exact.max() > 25.0:
        return None
    ratios = np.exp(np.unique(exact) - 1.0)
    for rarest in range(1, _RAREST):
        total = round(float(ratios[-1]) * rarest)
        whole = np.rint(total / ratios)
        if total < _MOST_DOCUMENTS and np.allclose(whole * ratios, total, rtol=1e-6, atol=0.0):
            found = _explain(idf, np.rint(total / np.exp(exact - 1.0)).astype(np.int64), total)
            if found is not None:
                return found
    return None


def _explain(idf: Array, counts: Array, total: int) -> Frequencies | None:
    distinct, where, codes = np.unique(counts, return_index=True, return_inverse=True)
    bits = np.dtype(f"i{idf.itemsize}")
    formula = _formula(distinct, total, idf.dtype)
    corrections = idf[where].view(bits) - formula.view(bits)
    if np.abs(corrections).max() > 127:
        return None
    table = (formula.view(bits) + corrections).view(idf.dtype)
    if not np.array_equal(table[codes].view(bits), idf.view(bits)):
        return None
    return Frequencies(narrowed(counts), total, corrections.astype(np.int8), idf.dtype.str)


def idf_table(frequencies: Frequencies) -> tuple[Array, Array]:
    """A table of idf values, and for each term its place there.

    Returns
    -------
    codes : uint16 or uint32 array of shape (n_terms,)
        The document frequencies themselves where they are small: nothing is made then but a table.
    table : float array
        Entries that no term has are zero.

    Raises
    ------
    SemanticError
        A frequency of zero or beyond the total, or corrections that do not fit.
    """
    from model_quantization.kernels.text import term_tree

    counts, total = frequencies.counts, frequencies.total
    where = "idf"
    if counts.ndim != 1 or counts.dtype.kind != "u" or not counts.size:
        raise SemanticError("malformed document frequencies", where=where, got=str(counts.dtype))
    if frequencies.dtype not in ("<f8", "<f4"):
        raise SemanticError("idf of another type", where=where, got=repr(frequencies.dtype)[:40])
    most = int(counts.max())
    if isinstance(total, bool) or not isinstance(total, int) or not 0 < total < _MOST_DOCUMENTS:
        raise SemanticError("malformed number of documents", where=where, got=repr(total)[:40])
    if int(counts.min()) < 1 or most > total:
        raise SemanticError(
            "a document frequency out of range", where=where, expected=f"from 1 to {total}"
        )
    if most < _MOST_MARKED:
        present = np.zeros(most + 1, dtype=np.bool_)
        term_tree.mark(narrowed_in_two(counts), present)
        distinct = np.flatnonzero(present)
    else:
        distinct = np.unique(counts)
    corrections = frequencies.corrections
    if corrections.dtype != np.int8 or corrections.shape != distinct.shape:
        raise SemanticError(
            "corrections that do not fit the document frequencies",
            where=where,
            expected=f"{len(distinct)} of int8",
            got=f"{corrections.size} of {corrections.dtype}",
        )
    formula = _formula(distinct, total, np.dtype(frequencies.dtype))
    bits = np.dtype(f"i{formula.itemsize}")
    values = (formula.view(bits) + corrections.astype(bits)).view(formula.dtype)
    if most <= min(len(counts), 0xFFFF):
        table = np.zeros(most + 1, dtype=values.dtype)
        table[distinct] = values
        return narrowed_in_two(counts), table
    return narrowed_in_two(np.searchsorted(distinct, counts)), values


def _formula(counts: Array, total: int, dtype: np.dtype[np.floating]) -> Array:
    ratio = dtype.type(total) / counts.astype(dtype)
    result: Array = logarithm(ratio.astype(np.float64)).astype(dtype) + dtype.type(1.0)
    return result


def logarithm(values: Array) -> Array:
    """The natural logarithm within some units of the last place, with the same bits everywhere.

    log m = 2 artanh((m - 1) / (m + 1)), by its power series.
    """
    mantissa, exponent = np.frexp(values)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    exponent = exponent - small
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for power in range(_TERMS, 0, -2):
        series = series * square
        series = series + 2.0 / power
    return exponent * _LN2 + ratio * series
