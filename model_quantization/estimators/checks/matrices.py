"""Sparse matrices: indices and pointers that scipy follows."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_quantization.estimators.checks.errors import refuse


def _check_compressed(args: list[Any], state: Any, path: str, *, rows: bool) -> None:
    shape = state["_shape"]
    if rows and len(shape) == 1:  # what `sparsify` of a regressor makes: one row, without saying so
        shape = (1, shape[0])
    major, minor = (shape[0], shape[1]) if rows else (shape[1], shape[0])
    pointers, indices, data = state["indptr"], state["indices"], state["data"]
    # Compared, and not subtracted: a difference of integers wraps around.
    if len(pointers) != major + 1 or pointers[0] != 0 or np.any(pointers[1:] < pointers[:-1]):
        refuse(path, "row pointers do not rise from 0", str(shape))
    if int(pointers[-1]) > len(indices) or len(indices) != len(data):
        refuse(path, "row pointers do not fit the indices", f"{pointers[-1]}, {len(indices)}")
    if len(indices) and not (indices.min() >= 0 and indices.max() < minor):
        refuse(path, "a sparse index is out of range", f"[{indices.min()}, {indices.max()}]")


def check_csr(args: list[Any], state: Any, path: str) -> None:
    """Refuse compressed rows whose indices or pointers leave the matrix."""
    _check_compressed(args, state, path, rows=True)


def check_csc(args: list[Any], state: Any, path: str) -> None:
    """Refuse compressed columns whose indices or pointers leave the matrix."""
    _check_compressed(args, state, path, rows=False)


def check_blocks(args: list[Any], state: Any, path: str) -> None:
    """Refuse compressed rows of blocks whose indices leave the matrix."""
    data, shape = state["data"], state["_shape"]
    if data.ndim != 3 or any(
        size % block for size, block in zip(shape, data.shape[1:], strict=True)
    ):
        refuse(path, "blocks that do not tile their matrix", str(data.shape))
    blocks = tuple(size // block for size, block in zip(shape, data.shape[1:], strict=True))
    _check_compressed(args, {**state, "_shape": blocks}, path, rows=True)


def check_coordinates(args: list[Any], state: Any, path: str) -> None:
    """Refuse coordinates outside of the matrix."""
    shape, data = state["_shape"], state["data"]
    coordinates = state["coords"] if "coords" in state else (state["row"], state["col"])
    if len(coordinates) != len(shape):
        refuse(path, "coordinates of another dimension", f"{len(coordinates)}, not {len(shape)}")
    for index, size in zip(coordinates, shape, strict=True):
        if index.shape != data.shape or index.dtype.kind not in "iu":
            refuse(path, "coordinates do not fit the values", str(index.shape))
        if index.size and not (index.min() >= 0 and index.max() < size):
            refuse(path, "a sparse index is out of range", f"[{index.min()}, {index.max()}]")


def check_lists(args: list[Any], state: Any, path: str) -> None:
    """Refuse lists of columns that leave the matrix."""
    shape, rows, data = state["_shape"], state["rows"], state["data"]
    if rows.shape != (shape[0],) or data.shape != rows.shape or rows.dtype != object:
        refuse(path, "rows do not fit their matrix", str(rows.shape))
    for columns, values in zip(rows, data, strict=True):
        if type(columns) is not list or type(values) is not list or len(columns) != len(values):
            refuse(path, "a row of another length than its values")
        if any(type(column) is not int or not 0 <= column < shape[1] for column in columns):
            refuse(path, "a sparse index is out of range", str(shape))
