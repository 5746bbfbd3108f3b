"""An artifact reads back as it was written: arrays, order, memory, threads; always equal bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_quantization.artifact.container import (
    canonical_json,
    parse_json,
    read_container,
    write_container,
)
from model_quantization.artifact.reader import Artifact, read_artifact
from model_quantization.artifact.writer import EncodedModel, build_artifact
from model_quantization.errors import LimitError, PathRefused
from model_quantization.graph.nodes import ArrayNode
from model_quantization.limits import Limits
from model_quantization.schemes.quantize import dequantize_array, quantize_array
from model_quantization.schemes.scheme import Exact, Role, Slot
from tests.artifact.golden_files import describe_array
from tests.artifact.independent_reader import read_file
from tests.artifact.samples import (
    FILES,
    FREE,
    HEADER,
    SCHEMES,
    exact,
    nodes_file,
    scheme_arrays,
    schemes_file,
    sequence,
    write,
)
from tests.codecs.pipelines import arrays

QUICK = settings(deadline=None, derandomize=True, max_examples=60)


def layouts() -> dict[str, np.ndarray]:
    base = np.arange(120.0).reshape(4, 5, 6)
    return {
        "c": base,
        "fortran": np.asfortranarray(base),
        "transposed": base.T,
        "swapped": base.swapaxes(0, 1),
        "strided": base[::2, 1:, ::-3],
        "broadcast": np.broadcast_to(base[0, 0], (3, 6)),
        "row": np.asfortranarray(base[:1, :, 0]),
        "none": base[:0],
        "scalar": np.array(2.5),
        "big_endian": base.astype(">f8"),
    }


@pytest.mark.parametrize("name", layouts())
@pytest.mark.bad_input(49)
def test_49_every_memory_order_comes_back(name: str) -> None:
    array = layouts()[name]
    (back,) = read_artifact(write(ArrayNode(0), [exact(array)]))
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()
    assert back.flags.f_contiguous or back.flags.c_contiguous
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        assert back.flags.f_contiguous


@QUICK
@given(st.lists(arrays(), max_size=6))
def test_any_arrays_come_back_bit_for_bit(values: list[np.ndarray]) -> None:
    root = sequence(*(ArrayNode(index) for index in range(len(values))))
    pools = tuple("one pool" for _ in values)
    model = EncodedModel(root, tuple(exact(array) for array in values), pools)
    data, _ = build_artifact(model, HEADER)
    _, theirs = read_file(data)
    for array, back, other in zip(values, read_artifact(data), theirs, strict=True):
        little = array.astype(array.dtype.newbyteorder("<"))
        assert describe_array(little) == describe_array(back) == describe_array(other)


def test_every_scheme_is_read_as_it_was_made() -> None:
    artifact = iter(read_artifact(schemes_file()))
    for name, scheme in SCHEMES.items():
        for array in scheme_arrays().values():
            threshold = 0.0 if name == "exact" else 1e-9
            made = quantize_array(array, scheme, FREE, threshold=threshold)
            assert describe_array(next(artifact)) == describe_array(dequantize_array(made))


@pytest.mark.parametrize("name", FILES)
def test_arrays_and_their_parts_are_read_only(name: str) -> None:
    artifact = read_artifact(FILES[name]())
    for index, array in enumerate(artifact):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[...] = array
        assert not any(part.flags.writeable for part in artifact.quantized(index).parts.values())


def test_arrays_do_not_share_memory_with_the_file_or_each_other() -> None:
    artifact = read_artifact(schemes_file())
    whole = np.frombuffer(artifact.data, np.uint8)
    arrays = list(artifact)
    for index, array in enumerate(arrays):
        assert not np.shares_memory(array, whole)
        assert not any(np.shares_memory(array, other) for other in arrays[:index])
        # An array alone in its stream is that stream; of a stream for several, each has a copy.
        for part in artifact.quantized(index).parts.values():
            assert not np.shares_memory(array, part) or part.size == array.size


def test_an_array_is_decoded_once_and_again_after_release() -> None:
    artifact = read_artifact(schemes_file())
    first = artifact[3]
    assert artifact[3] is first
    artifact.release()
    assert artifact[3] is not first
    assert np.array_equal(artifact[3], first)


def test_it_is_a_sequence() -> None:
    artifact = read_artifact(schemes_file())
    assert len(list(artifact)) == len(artifact) == 40
    assert [a is b for a, b in zip(artifact[1:3], (artifact[1], artifact[2]), strict=True)]
    assert np.array_equal(artifact[-1], artifact[39])
    with pytest.raises(IndexError):
        artifact[40]


def read_all(artifact: Artifact, barrier: threading.Barrier, found: list[list[np.ndarray]]) -> None:
    barrier.wait()
    mine = list(artifact)
    artifact.release()
    found.append(mine)


def test_threads_that_read_one_artifact_get_the_same_arrays() -> None:
    data = schemes_file()
    expected = [describe_array(array) for array in read_artifact(data)]
    for _ in range(5):
        artifact = read_artifact(data)
        found: list[list[np.ndarray]] = []
        barrier = threading.Barrier(4)

        threads = [
            threading.Thread(target=read_all, args=(artifact, barrier, found)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert all([describe_array(array) for array in mine] == expected for mine in found)


def test_threads_share_one_copy() -> None:
    artifact = read_artifact(schemes_file())
    found: list[list[np.ndarray]] = []
    barrier = threading.Barrier(3)

    def read() -> None:
        barrier.wait()
        found.append(list(artifact))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(a is b for a, b in zip(found[0], found[1], strict=True))
    assert all(a is b for a, b in zip(found[0], found[2], strict=True))


# The file ---------------------------------------------------------------------------------


def test_it_is_a_safetensors_file(tmp_path: Path) -> None:
    from safetensors.numpy import load

    data = nodes_file()
    segments, metadata = read_container(data, Limits(), "file")
    tensors = load(data)
    assert {name: bytes(held) for name, held in segments.items()} == {
        name: tensor.tobytes() for name, tensor in tensors.items()
    }
    assert set(metadata) == {"format", "version", "manifest_sha256"}


@QUICK
@given(
    st.dictionaries(
        st.text(max_size=5).filter(lambda t: t != "__metadata__"), st.binary(max_size=9)
    ),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_any_segments_come_back(segments: dict[str, bytes], metadata: dict[str, str]) -> None:
    data = write_container(segments, metadata)
    read, held = read_container(data, Limits(), "file")
    assert {name: bytes(part) for name, part in read.items()} == segments
    assert held == metadata


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.text(st.characters(codec=None))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@QUICK
@given(json_values)
def test_canonical_json_has_one_spelling(value: Any) -> None:
    text = canonical_json(value)
    assert parse_json(text, "x") == value
    assert canonical_json(parse_json(text, "x")) == text


def test_a_path_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "model.qma"
    path.write_bytes(nodes_file())
    assert read_artifact(path).sha256 == read_artifact(nodes_file()).sha256
    assert read_artifact(str(path)).where == str(path)


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    path, link, pipe = tmp_path / "model.qma", tmp_path / "link.qma", tmp_path / "pipe.qma"
    path.write_bytes(nodes_file())
    link.symlink_to(path)
    os.mkfifo(pipe)
    for wrong in (link, pipe, tmp_path):
        with pytest.raises(PathRefused):
            read_artifact(wrong)
    with pytest.raises(FileNotFoundError):
        read_artifact(tmp_path / "none.qma")
    with pytest.raises(LimitError, match="file too large"):
        read_artifact(path, Limits(file_bytes=100))


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.qma"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=str(path)):
        read_artifact(path)
    with pytest.raises(ValueError, match="the release"):
        read_artifact(b"", where="the release")


# The same bytes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_writing_twice_gives_equal_bytes(name: str) -> None:
    first = FILES[name]()
    for function in (nodes_file, schemes_file):
        function.cache_clear()
    from tests.artifact.samples import codecs_file, model_file

    codecs_file.cache_clear()
    model_file.cache_clear()
    assert FILES[name]() == first


SCRIPT = """
import hashlib
from tests.artifact.samples import FILES
print([hashlib.sha256(make()).hexdigest() for make in FILES.values()])
"""


@pytest.mark.slow
def test_other_processes_write_equal_bytes() -> None:
    printed = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1


def test_another_process_writes_equal_bytes() -> None:
    script = SCRIPT.replace("FILES.values()", "(FILES['nodes'], FILES['schemes'])")
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    import hashlib

    mine = [hashlib.sha256(data).hexdigest() for data in (nodes_file(), schemes_file())]
    assert done.stdout.strip() == repr(mine)


EVALUATION = {
    "metric": "accuracy",
    "score_before": 0.1 + 0.2,
    "rows": 3,
    "limits": {"b": 1, "a": 2},
}


@pytest.mark.parametrize("name", FILES)
def test_sealing_changes_the_manifest_alone(name: str) -> None:
    artifact = read_artifact(FILES[name]())
    sealed = artifact.sealed(EVALUATION, {"rows": ["x"], "answers": {}})
    again = artifact.sealed(
        dict(reversed(list(EVALUATION.items()))), {"answers": {}, "rows": ["x"]}
    )
    assert sealed == again
    before, _ = read_container(artifact.data, Limits(), "before")
    after, _ = read_container(sealed, Limits(), "after")
    assert before.pop("manifest") != after.pop("manifest")
    assert before == after
    read = read_artifact(sealed)
    assert read.manifest["evaluation"] == json.loads(json.dumps(EVALUATION))
    assert read.manifest["golden"] == {"rows": ["x"], "answers": {}}
    assert read.sealed(None, artifact.manifest["golden"]) == artifact.data


def test_figures_that_are_not_finite_cannot_be_sealed() -> None:
    artifact = read_artifact(nodes_file())
    with pytest.raises(ValueError, match="JSON"):
        artifact.sealed({"score": float("nan")}, None)


def test_pooled_arrays_share_streams_and_are_told_apart() -> None:
    slot = Slot(Role.STATE)
    values = [np.arange(start, start + 5) for start in range(40)]
    model = EncodedModel(
        sequence(*(ArrayNode(index) for index in range(40))),
        tuple(quantize_array(array, Exact(), slot) for array in values),
        ("pool",) * 40,
    )
    data, parts = build_artifact(model, HEADER)
    artifact = read_artifact(data)
    assert len(artifact.manifest["streams"]) == 1
    assert [array.tolist() for array in artifact] == [array.tolist() for array in values]
    assert len(parts) == 40
    assert sum(part.stored_bytes for part in parts) == pytest.approx(
        artifact.manifest["streams"][0][5]
    )
