"""What is fuzzed: one function of bytes for each reader of what somebody else wrote.

A target takes any bytes, lets the reader refuse them with an error of this library, and lets
everything else out: whatever a target raises is a finding.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import seeds
from model_quantization.artifact.container import parse_json, write_container
from model_quantization.artifact.manifest import pack_manifest
from model_quantization.artifact.reader import read_artifact
from model_quantization.artifact.writer import assemble
from model_quantization.codecs import decode_stream
from model_quantization.config.file import load_config
from model_quantization.errors import QuantizationError
from model_quantization.estimators.restore import restore
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.loading.sandbox.call import Call
from model_quantization.loading.sandbox.channel import LENGTH, parse_record
from model_quantization.pipeline.child.handover import read_original
from model_quantization.pipeline.child.original import inspect
from model_quantization.predictor.opening import iter_models, load
from model_quantization.release.manifest import read_manifest
from model_quantization.schemes.quantize import dequantize_array
from model_quantization.schemes.quantized_array import QuantizedArray
from model_quantization.serving.fallback import MODEL_FAILURES
from model_quantization.trust import TrustPolicy

MIB = 1 << 20
LIMITS = Limits(
    file_bytes=64 * MIB,
    decompressed_bytes=64 * MIB,
    pickle_opcodes=2_000_000,
    pickle_memo=100_000,
    manifest_bytes=8 * MIB,
    nodes=50_000,
    arrays=5_000,
    decoded_bytes=16 * MIB,
)
TRUST = TrustPolicy()


def scanner(data: bytes) -> None:
    """A model file."""
    source = _scratch() / "model.pkl"
    source.write_bytes(data)
    (_scratch() / "snapshot").unlink(missing_ok=True)
    with suppress(QuantizationError):
        scan(source, TRUST, LIMITS, _scratch())


def artifact(data: bytes) -> None:
    """An artifact file, as it lies."""
    with suppress(QuantizationError):
        read_artifact(data, LIMITS).check()


def manifest(data: bytes) -> None:
    """The manifest of an artifact, over the segments of a good one and under hashes that fit."""
    if not data:
        return
    segments = _segments(data[0])
    try:
        record = parse_json(data[1:], "manifest")
    except QuantizationError:
        return
    if isinstance(record, dict) and isinstance(record.get("segments"), dict):
        with suppress(ValueError, TypeError):
            restore_from(assemble({k: v for k, v in record.items() if k != "segments"}, segments))
            return
    try:
        packed, metadata = pack_manifest(record)
    except (ValueError, TypeError):
        return
    restore_from(write_container({"manifest": packed, **segments}, metadata))


def restore_from(data: bytes) -> None:
    """Everything that is read of an artifact, and the estimators made of it."""
    with suppress(QuantizationError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = read_artifact(data, LIMITS)
        opened.check()
        restore(opened.root, opened, TRUST, dropped=opened.manifest["residue"])


def model(data: bytes) -> None:
    """The arrays of a model: values that no training gives, loaded and asked."""
    if len(data) < 2:
        return
    name = seeds.MODELS[data[0] % len(seeds.MODELS)]
    hostile = seeds.with_changed_arrays(seeds.model_file(name), data[1:])
    with suppress(QuantizationError), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for each in iter_models(load(hostile, limits=LIMITS)):
            for method in each.fast_methods:
                with suppress(*MODEL_FAILURES):  # a loader answers those by the original
                    getattr(each, method)(seeds.rows_of(name))


def stream(data: bytes) -> None:
    """`[dtype, count, pipeline]` as JSON, a newline, and the bytes of a stream."""
    head, _, body = data.partition(b"\n")
    with suppress(QuantizationError):
        record = parse_json(head, "stream")
        if isinstance(record, list) and len(record) == 3:
            dtype, count, pipeline = record
            decode_stream(pipeline, dtype, count, body, max_bytes=LIMITS.decoded_bytes)


def codec(name: str) -> Callable[[bytes], None]:
    """The target of one codec: parameters and data of a pipeline that it is in."""
    templates = seeds.pipelines_with(name)

    def run(data: bytes) -> None:
        if len(data) < 5:
            return
        dtype, _, pipeline = templates[data[0] % len(templates)]
        count = int.from_bytes(data[1:3], "little")
        length = int.from_bytes(data[3:5], "little")
        changes: Any = {}
        if length:
            with suppress(QuantizationError):
                changes = parse_json(data[5 : 5 + length], "parameters")
        steps = [
            {**step, **changes} if step["id"] == name and isinstance(changes, dict) else step
            for step in pipeline
        ]
        with suppress(QuantizationError):
            body = data[5 + length :]
            decode_stream(steps, dtype, count, body, max_bytes=LIMITS.decoded_bytes)

    run.__doc__ = f"The codec {name}."
    return run


def array(data: bytes) -> None:
    """`[meta, {part: [dtype, count]}]` as JSON, a newline, and the bytes of the parts."""
    head, _, body = data.partition(b"\n")
    try:
        record = parse_json(head, "array")
    except QuantizationError:
        return
    if not isinstance(record, list) or len(record) != 2 or not isinstance(record[1], dict):
        return
    parts = {}
    for name, spec in record[1].items():
        if not isinstance(spec, list) or len(spec) != 2 or spec[0] not in seeds.PART_DTYPES:
            return
        dtype = np.dtype(spec[0])
        if type(spec[1]) is not int or not 0 <= spec[1] * dtype.itemsize <= len(body):
            return
        parts[name] = np.frombuffer(body[: spec[1] * dtype.itemsize], dtype=dtype)
        body = body[spec[1] * dtype.itemsize :]
    with suppress(QuantizationError), np.errstate(all="ignore"):
        dequantize_array(QuantizedArray.from_meta(record[0], parts, max_bytes=LIMITS.decoded_bytes))


def configuration(data: bytes) -> None:
    """A configuration file, and what it makes of a model."""
    path = _scratch() / "run.yaml"
    path.write_bytes(data)
    with suppress(QuantizationError):
        load_config(path, environ={}).settings_for("intent")


def release(data: bytes) -> None:
    """A release's `manifest.json`."""
    path = _scratch() / "manifest.json"
    path.write_bytes(data)
    with suppress(QuantizationError):
        read_manifest(path, _scratch()).to_json()


def answer(data: bytes) -> None:
    """What a child process that was taken over sends to its parent."""
    with suppress(ValueError):  # what the call expects of it
        parse_record(data)
    with Call("fuzz", b"", LIMITS) as call, suppress(QuantizationError):
        call._received += LENGTH.pack(len(data)) + data
        call.answer()


def original(data: bytes) -> None:
    """What a child process that was taken over says of a model, and the files it leaves."""
    head, _, body = data.partition(b"\n")
    try:
        found = parse_record(head)
    except ValueError:
        return
    (_scratch() / "arrays.bin").unlink(missing_ok=True)  # an earlier one may be mapped
    (_scratch() / "arrays.bin").write_bytes(body)
    with suppress(QuantizationError):
        for each in read_original(inspect.read_reply(found), _scratch(), LIMITS).graph.arrays:
            each.tobytes()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "scanner": scanner,
    "artifact": artifact,
    "manifest": manifest,
    "model": model,
    "stream": stream,
    "array": array,
    "configuration": configuration,
    "release": release,
    "answer": answer,
    "original": original,
    **{f"codec_{name}": codec(name) for name in seeds.CODECS},
}


@cache
def _segments(which: int) -> dict[str, bytes]:
    return seeds.segments_of(seeds.ARTIFACTS[which % len(seeds.ARTIFACTS)])


@cache
def _scratch() -> Path:
    """One directory for the life of the process: making one takes longer than most targets."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


__all__ = ["LIMITS", "TARGETS"]
