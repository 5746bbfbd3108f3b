"""Files that lie about themselves: the container, and the manifest's frame and keys.

The number in a name is the case's in the list of bad inputs that the project answers for.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from model_quantization.artifact.reader import read_artifact
from model_quantization.errors import FormatError, IntegrityError, LimitError, VersionError
from model_quantization.limits import Limits
from tests.artifact.forge import Forged, edited, header_of, pack, with_header
from tests.artifact.refusals import (
    Manifest,
    kind_of,
    refused,
    with_graph,
)
from tests.artifact.samples import nodes_file, schemes_file


@pytest.mark.parametrize("size", [0, 7])
@pytest.mark.bad_input(27)
def test_27_an_empty_or_tiny_file(size: int) -> None:
    assert kind_of(bytes(size)) is FormatError


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 1 << 30])
@pytest.mark.bad_input(28)
def test_28_a_header_longer_than_the_file(length: int) -> None:
    assert kind_of(struct.pack("<Q", length) + nodes_file()[8:]) is FormatError


@pytest.mark.bad_input(28)
def test_28_a_header_larger_than_the_cap() -> None:
    header = b"{" + b" " * (17 << 20) + b"}"
    assert kind_of(struct.pack("<Q", len(header)) + header) is LimitError


@pytest.mark.parametrize("percent", range(100))
@pytest.mark.bad_input(29)
def test_29_a_file_cut_short(percent: int) -> None:
    data = schemes_file()
    assert kind_of(data[: len(data) * percent // 100]) in (FormatError, IntegrityError)


def header_with(change: Callable[[dict[str, Any]], None], body: bytes = b"") -> bytes:
    header, held = header_of(schemes_file())
    change(header)
    return with_header(header, held + body)


def move(start: int, end: int) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        entry = header["manifest"]
        offsets = [entry["data_offsets"][0] + start, entry["data_offsets"][1] + end]
        entry.update(data_offsets=offsets, shape=[offsets[1] - offsets[0]])

    return change


@pytest.mark.parametrize(
    "change",
    [
        move(-1, 0),
        move(1, 0),
        move(0, 1),
        move(0, -1),
        lambda header: header.pop("manifest"),
        lambda header: header["manifest"].update(dtype="I8"),
        lambda header: header["manifest"].update(shape=[True]),
        lambda header: header["manifest"].update(data_offsets=[-1, 5]),
        lambda header: header["manifest"].update(data_offsets=[5, 1]),
        lambda header: header["manifest"].update(extra=1),
        lambda header: header.update(manifest=[]),
        lambda header: header["__metadata__"].update(version=1),
        lambda header: header["__metadata__"].update(extra="x"),
        lambda header: header["__metadata__"].pop("format"),
        lambda header: header.update(__metadata__=[]),
        lambda header: header.update(hollow={"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}),
    ],
)
@pytest.mark.bad_input(30)
def test_30_a_header_that_does_not_tile_the_file(change: Callable[[Any], None]) -> None:
    assert kind_of(header_with(change)) is FormatError


@pytest.mark.bad_input(30)
def test_30_bytes_after_the_last_segment() -> None:
    assert kind_of(schemes_file() + b"\0") is FormatError
    assert kind_of(header_with(lambda header: None, b"extra")) is FormatError


@pytest.mark.bad_input(30)
def test_30_a_key_of_the_header_twice() -> None:
    header, body = header_of(nodes_file())
    text = json.dumps(header)
    text = text[:-1] + ', "bundle": ' + json.dumps(header["bundle"]) + "}"
    assert kind_of(struct.pack("<Q", len(text)) + text.encode() + body) is FormatError


@pytest.mark.parametrize("indent", [0, 1])
@pytest.mark.bad_input(30)
def test_30_a_header_in_another_spelling(indent: int) -> None:
    header, body = header_of(nodes_file())
    text = json.dumps(header, indent=indent).encode()
    error = refused(struct.pack("<Q", len(text)) + text + body)
    assert "spelt in another way" in str(error)


@pytest.mark.bad_input(30)
def test_30_a_header_that_is_not_an_object() -> None:
    for text in (b"[]      ", b"\xff\xff      ", b"{       ", b"NaN     "):
        assert kind_of(struct.pack("<Q", len(text)) + text) is FormatError


def with_text(text: str) -> bytes:
    return Forged.of(nodes_file()).data(pack(text.encode()))


@pytest.mark.bad_input(30)
def test_30_a_key_of_the_manifest_twice() -> None:
    text = json.dumps(Forged.of(nodes_file()).manifest)
    assert kind_of(with_text(text[:-1] + ', "notes": []}')) is FormatError
    assert (
        kind_of(with_text(text.replace('"model": {', '"model": {"exact": true, '))) is FormatError
    )


def frame(declared: int, content: bytes) -> bytes:
    """A zstd frame of one raw block that declares another size."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + declared.to_bytes(8, "little")
    return head + (len(content) << 3 | 1).to_bytes(3, "little") + content


@pytest.mark.bad_input(31)
def test_31_a_frame_that_declares_512_megabytes() -> None:
    error = refused(Forged.of(nodes_file()).data(frame(512 << 20, b"x" * 100)))
    assert type(error) is LimitError
    assert "536870912 bytes declared" in str(error)


@pytest.mark.bad_input(31)
def test_31_a_stream_that_declares_more_than_it_holds() -> None:
    data = nodes_file()
    forged = Forged.of(data)
    number = next(i for i, row in enumerate(forged.manifest["streams"]) if row[1] > 30)
    magicless = frame(512 << 20, b"x" * 100)[4:]
    forged.set_stream(number, magicless, pipeline=[{"id": "zstd"}])
    assert kind_of(forged.data()) is LimitError


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not zstd",
        frame(7, b"x" * 100),
        pack(b"{}") + b"more",
        pack(b"{}") + pack(b"{}"),
        b"\x28\xb5\x2f\xfd\x00\x58\x11\x00\x00{}",  # a frame that does not say its size
    ],
)
@pytest.mark.bad_input(31)
def test_31_a_manifest_that_is_not_one_frame(packed: bytes) -> None:
    assert kind_of(Forged.of(nodes_file()).data(packed)) is FormatError


@pytest.mark.bad_input(33)
def test_33_a_bit_flipped_in_each_segment() -> None:
    data = schemes_file()
    header, body = header_of(data)
    start = len(data) - len(body)
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            for at in (begin, (begin + end) // 2, end - 1):
                flipped = bytearray(data)
                flipped[start + at] ^= 4
                assert kind_of(bytes(flipped)) is IntegrityError, name


@pytest.mark.bad_input(33)
def test_33_a_bit_flipped_in_the_header() -> None:
    data = nodes_file()
    minor = data.index(b'"version":"1.') + len(b'"version":"1.')
    for at in range(len(data) - len(header_of(data)[1])):
        if at == minor:
            continue  # another minor version is read
        flipped = bytearray(data)
        flipped[at] ^= 1
        assert kind_of(bytes(flipped)) in (FormatError, LimitError, IntegrityError, VersionError)


@pytest.mark.bad_input(35)
def test_35_a_manifest_nested_a_hundred_thousand_deep() -> None:
    assert kind_of(with_text("[" * 100_000 + "]" * 100_000)) is LimitError
    assert kind_of(with_text('{"a":' * 100_000 + "1" + "}" * 100_000)) is LimitError


@pytest.mark.bad_input(35)
def test_35_a_graph_nested_deeper_than_the_limit() -> None:
    node: Any = 1
    for _ in range(250):
        node = ["l", node]
    assert kind_of(with_graph(node)) is LimitError
    read_artifact(with_graph(node), Limits(depth=300))


@pytest.mark.bad_input(35)
def test_35_a_graph_nested_deeper_than_the_stack() -> None:
    node: Any = 1
    for number in range(400):
        node = ["#", number, ["l", node]]
    error = refused(with_graph(node), Limits(depth=100_000))
    assert type(error) is LimitError
    assert "nested too deep to be read" in str(error)


@pytest.mark.bad_input(35)
def test_35_more_nodes_than_the_limit() -> None:
    assert kind_of(with_graph(["l", *[0] * 5000]), Limits(nodes=5000)) is LimitError


@pytest.mark.slow
@pytest.mark.bad_input(35)
def test_35_ten_million_nodes() -> None:
    assert kind_of(with_graph(["l", *[0] * 10_000_000])) is LimitError


@pytest.mark.parametrize("number", ["1" * 1_000_000, "-" + "9" * 101, "0." + "3" * 200])
@pytest.mark.bad_input(35)
def test_35_a_number_of_a_million_digits(number: str) -> None:
    assert kind_of(with_text(f'{{"notes": {number}}}')) is LimitError


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.bad_input(35)
def test_35_a_number_that_is_not_finite(number: str) -> None:
    assert kind_of(with_text(f'{{"notes": {number}}}')) is FormatError


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(trusted=["os:system"]),
        lambda manifest: manifest["model"].update(trusted=["os:system"]),
        lambda manifest: manifest["recipe"].update(trusted=["os:system"]),
        lambda manifest: manifest["source"].update(trusted=["os:system"]),
        lambda manifest: manifest["producer"].update(trusted="os:system"),
    ],
)
@pytest.mark.bad_input(45)
def test_45_a_list_of_trusted_names_in_the_manifest(change: Callable[[Manifest], None]) -> None:
    error = refused(edited(nodes_file(), change))
    assert type(error) is FormatError
    assert "trusted" in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("producer", []),
        ("producer", {"name": "x", "version": 1}),
        ("libraries", {"numpy": 2}),
        ("source", {"name": "x", "sha256": "xyz", "size_bytes": 0}),
        ("source", {"name": "x", "sha256": "", "size_bytes": True}),
        ("model", {"type": "x", "family": "x", "surfaces": {}, "exact": 1}),
        ("model", {"type": "x", "family": "x", "surfaces": {"": {"methods": []}}, "exact": True}),
        ("residue", {"a": ["unhashable"]}),
        ("notes", [1]),
        ("notes", {}),
        ("arrays", {}),
        ("streams", None),
        ("segments", []),
        ("evaluation", []),
        ("golden", 5),
    ],
)
def test_a_key_of_another_type(key: str, value: Any) -> None:
    if key == "segments":
        forged = Forged.of(nodes_file())
        forged.manifest["segments"] = value
        assert kind_of(forged.data(pack(json.dumps(forged.manifest).encode()))) is FormatError
    else:
        assert kind_of(edited(nodes_file(), lambda m: m.update({key: value}))) is FormatError


@pytest.mark.parametrize("key", sorted(Forged.of(nodes_file()).manifest))
def test_a_key_that_is_missing(key: str) -> None:
    manifest = Forged.of(nodes_file()).manifest
    del manifest[key]
    assert kind_of(with_text(json.dumps(manifest))) is FormatError


def test_a_public_method_that_no_model_has() -> None:
    surfaces = {"": {"methods": ["restore"], "task": "auto"}}
    data = edited(nodes_file(), lambda manifest: manifest["model"].update(surfaces=surfaces))
    assert kind_of(data) is FormatError


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0"])
@pytest.mark.bad_input(47)
def test_47_another_major_version(version: str) -> None:
    forged = Forged.of(nodes_file())
    forged.version = version
    error = refused(forged.data())
    assert type(error) is VersionError
    assert f"expected 1.0, got {version}" in str(error)


@pytest.mark.parametrize("version", ["1", "", "1.0.0", "1.x", "one.0", "01.0", "-1.0"])
@pytest.mark.bad_input(47)
def test_47_a_version_that_is_none(version: str) -> None:
    forged = Forged.of(nodes_file())
    forged.version = version
    assert kind_of(forged.data()) is FormatError


@pytest.mark.bad_input(47)
def test_47_a_newer_minor_version_is_read() -> None:
    forged = Forged.of(nodes_file())
    forged.version = "1.7"
    read_artifact(forged.data()).check()


def test_another_format() -> None:
    forged = Forged.of(nodes_file())
    forged.metadata["format"] = "pt"
    assert kind_of(forged.data()) is FormatError
