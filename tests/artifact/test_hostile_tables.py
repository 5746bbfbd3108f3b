"""Tables that lie about streams and arrays, and codes that mean nothing.

The number in a name is the case's in the list of bad inputs that the project answers for.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model_quantization.errors import CodecError, FormatError, LimitError, SemanticError
from model_quantization.limits import Limits
from tests.artifact.forge import Forged, edited, pack, with_part
from tests.artifact.refusals import (
    Manifest,
    kind_of,
    refused,
)
from tests.artifact.samples import nodes_file, schemes_file


def in_stream(position: int, value: Any) -> bytes:
    def change(manifest: Manifest) -> None:
        manifest["streams"][0][position] = value

    return edited(nodes_file(), change)


@pytest.mark.parametrize(
    "dtype",
    ["|O", "O", "V2147483647", "|V2147483647", "|V8", "<f8,<f8", "(2,)<f8", "<U0", "|S0", "<f3",
     "f8", ">f8", "=f8", "<f16", "<c32", "<U999999999", "<M8[eons]", "<M8[9999999999999Y]", "",
     None, 8, ["<f8"], "<f8\n", "<f\u0668"],
)  # fmt: skip
@pytest.mark.bad_input(36)
def test_36_a_dtype_that_streams_do_not_hold(dtype: Any) -> None:
    assert kind_of(in_stream(0, dtype)) is FormatError
    assert kind_of(in_meta("dtype", dtype)) is FormatError


@pytest.mark.parametrize("count", [-1, True, 1.0, "3", None, 1 << 48, 10**50])
@pytest.mark.parametrize("position", [1, 4, 5])
@pytest.mark.bad_input(30)
def test_30_a_stream_of_another_place(position: int, count: Any) -> None:
    assert kind_of(in_stream(position, count)) is FormatError


@pytest.mark.bad_input(30)
def test_30_streams_overlap_or_leave_a_gap() -> None:
    for offset, length in ((0, 1), (1, 0), (0, -1), (-1, 0)):

        def change(manifest: Manifest, offset: int = offset, length: int = length) -> None:
            row = next(row for row in manifest["streams"] if row[4] > 0)
            row[4] += offset
            row[5] += length

        assert kind_of(edited(nodes_file(), change)) is FormatError


@pytest.mark.bad_input(30)
def test_30_bytes_of_a_segment_that_no_stream_owns() -> None:
    forged = Forged.of(nodes_file())
    forged.segments["bundle"] += b"hidden"
    assert kind_of(forged.data()) is FormatError
    forged = Forged.of(nodes_file())
    forged.segments["hidden"] = b"payload"
    assert kind_of(forged.data()) is FormatError


@pytest.mark.bad_input(30)
def test_30_the_table_of_segments_is_another() -> None:
    for change in (
        lambda table: table.pop("bundle"),
        lambda table: table.update(more=[0, "0" * 64]),
        lambda table: table["bundle"].append(1),
        lambda table: table.update(bundle=[True, table["bundle"][1]]),
        lambda table: table.update(bundle=[table["bundle"][0] - 1, table["bundle"][1]]),
        lambda table: table.update(bundle=[table["bundle"][0], "F" * 64]),
    ):
        forged = Forged.of(nodes_file())
        forged.data()
        change(forged.manifest["segments"])
        packed = pack(json.dumps(forged.manifest).encode())
        assert kind_of(forged.data(packed)) is FormatError


@pytest.mark.parametrize(
    "pipeline",
    [[], {}, "raw", [1], [{}], [{"id": "raw"}] * 7, [{"id": "raw"}, {"id": "raw"}],
     [{"id": "narrow", "dtype": "|u1", "offset": 0}], [{"id": "raw", "level": 3}],
     [{"id": "narrow"}, {"id": "raw"}],
     [{"id": "palette", "table": {"bytes": 1, "count": 1, "steps": []}}, {"id": "raw"}],
     [{"id": "sparse", "dtype": "|u1", "value": "00", "gaps": 5}, {"id": "raw"}]],
)  # fmt: skip
@pytest.mark.bad_input(47)
def test_47_a_pipeline_outside_the_grammar(pipeline: Any) -> None:
    assert kind_of(in_stream(2, pipeline)) in (FormatError, CodecError)


@pytest.mark.parametrize("name", ["blosc", "", None, 3, "Raw", "__class__"])
@pytest.mark.bad_input(47)
def test_47_an_unknown_codec(name: Any) -> None:
    error = refused(in_stream(2, [{"id": name}]))
    assert type(error) is CodecError
    assert "stream 0" in str(error)


def in_meta(key: str, value: Any, array: int = 0) -> bytes:
    def change(manifest: Manifest) -> None:
        manifest["arrays"][array][0][key] = value

    return edited(nodes_file(), change)


@pytest.mark.parametrize(
    "shape",
    [[-1], [-1, -4], [True], [4.0], ["4"], None, 4, [1 << 62], [1 << 31, 1 << 31], [1 << 62, 0],
     [1] * 33, [10**40], [[4]]],
)  # fmt: skip
@pytest.mark.bad_input(32)
def test_32_a_shape_that_is_negative_a_bool_or_overflows(shape: Any) -> None:
    assert kind_of(in_meta("shape", shape)) is FormatError


@pytest.mark.bad_input(32)
def test_32_a_shape_that_does_not_fit_its_elements() -> None:
    assert kind_of(in_meta("shape", [5])) is FormatError


@pytest.mark.bad_input(32)
def test_32_a_shape_larger_than_the_limit() -> None:
    error = refused(in_meta("shape", [1 << 30, 1 << 10]))
    assert type(error) is LimitError
    assert "decodes to too much" in str(error)


@pytest.mark.bad_input(32)
def test_32_sparse_arrays_count_with_what_they_decode_to() -> None:
    def change(manifest: Manifest) -> None:
        for meta, _ in manifest["arrays"]:
            if meta["layout"] == "sparse":
                meta["shape"] = [1 << 26]

    limits = Limits(decoded_bytes=1 << 29)
    assert kind_of(edited(schemes_file(), change), limits) is LimitError


@pytest.mark.bad_input(32)
def test_32_streams_that_decode_to_more_than_the_limit() -> None:
    pipeline = [{"id": "constant", "value": "00"}]

    def change(manifest: Manifest) -> None:
        manifest["streams"].append(["|u1", 1 << 34, pipeline, "bundle", 0, 0])

    assert kind_of(edited(nodes_file(), change)) in (FormatError, LimitError)
    assert kind_of(nodes_file(), Limits(decoded_bytes=100)) is LimitError
    assert kind_of(nodes_file(), Limits(arrays=3)) is LimitError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("order", "A"),
        ("layout", "ragged"),
        ("channel_axis", 0),
        ("channel_axis", True),
        ("scheme", {"kind": "exact", "bits": 8}),
        ("scheme", {"kind": "affine", "bits": 7}),
        ("scheme", {"kind": "drop"}),
        ("scheme", {"kind": "float", "bits": True}),
        ("scheme", "exact"),
        ("scheme", {}),
        ("extra", 1),
    ],
)
def test_an_array_of_another_kind(key: str, value: Any) -> None:
    assert kind_of(in_meta(key, value)) is FormatError


@pytest.mark.parametrize(
    "parts",
    [
        {},
        [["values"]],
        [["values", 0, -1]],
        [["values", 0, True]],
        [["values", 1 << 60, 1]],
        [[1, 0, 1]],
        [["other", 0, 1]],
        [["values", 0, 1], ["values", 0, 1]],
        [],
    ],
)
def test_parts_that_are_none(parts: Any) -> None:
    def change(manifest: Manifest) -> None:
        manifest["arrays"][0][1] = parts

    assert kind_of(edited(nodes_file(), change)) is FormatError


AFFINE = {"kind": "affine", "bits": 8, "granularity": "channel", "symmetric": False}
CODEBOOK = {"kind": "codebook", "bits": 4}


@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf, 0.0, -1.0])
@pytest.mark.bad_input(46)
def test_46_a_scale_that_is_not_positive_and_finite(scale: float) -> None:
    error = refused(with_part(schemes_file(), AFFINE, "scale", np.array([1.0, scale])))
    assert type(error) is SemanticError
    assert "scale" in str(error)


@pytest.mark.parametrize("zero", [np.nan, np.inf])
@pytest.mark.bad_input(46)
def test_46_a_zero_that_is_not_finite(zero: float) -> None:
    assert kind_of(with_part(schemes_file(), AFFINE, "zero", np.array([zero]))) is SemanticError


@pytest.mark.bad_input(46)
def test_46_a_code_beyond_the_codebook() -> None:
    codes = np.array([0, 200], dtype="u1")
    assert kind_of(with_part(schemes_file(), CODEBOOK, "codes", codes)) is SemanticError


@pytest.mark.bad_input(46)
def test_46_an_entry_of_a_codebook_that_is_not_finite() -> None:
    assert (
        kind_of(with_part(schemes_file(), CODEBOOK, "table", np.array([np.nan, 1.0], "f4")))
        is SemanticError
    )


@pytest.mark.bad_input(46)
def test_46_a_bool_that_is_neither() -> None:
    forged = Forged.of(nodes_file())
    number = next(i for i, row in enumerate(forged.manifest["streams"]) if row[0] == "|b1")
    count = forged.manifest["streams"][number][1]
    forged.set_stream(number, bytes([2] * count), pipeline=[{"id": "raw"}])
    assert kind_of(forged.data()) is SemanticError
