"""The inputs that fuzzing starts from, made by code: good files, and known attacks."""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Iterable
from functools import cache
from io import BytesIO
from typing import Any

import joblib
import numpy as np

from model_quantization.artifact.container import canonical_json
from model_quantization.artifact.reader import read_artifact
from model_quantization.codecs import REGISTRY
from tests.artifact import models as sample_models
from tests.artifact.forge import Forged
from tests.artifact.samples import FILES, FREE, SCHEMES, scheme_arrays
from tests.artifact.samples import model_file as sample_model
from tests.attacks.pickles import HOSTILE_PICKLES
from tests.codecs.golden_cases import cases
from tests.codecs.pipelines import encode_with

CODECS = tuple(REGISTRY)
ARTIFACTS = tuple(FILES)
MODELS = ("linear", "forest", "text", "tree", "packed tree")
LARGEST = 1 << 16  # what is larger is slow, and has tests of its own
PART_DTYPES = ("|i1", "|u1", "<i2", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "|b1", "<i8", "<i4")


@cache
def artifact_file(name: str) -> bytes:
    """A good artifact."""
    return FILES[name]()


@cache
def model_file(name: str) -> bytes:
    """The artifact of a small model."""
    if name == "tree":
        return sample_models.tree_file()
    if name == "packed tree":
        return sample_models.tree_file(packed=True)
    return sample_model(name)


def rows_of(name: str) -> Any:
    """Rows to ask a model of `MODELS`."""
    if name == "text":
        return ["the quick brown fox", "", "dog \ud800 dog"]
    columns = 6 if "tree" in name else 40
    return np.linspace(-2, 2, 3 * columns).reshape(3, columns)


@cache
def segments_of(name: str) -> dict[str, bytes]:
    """The segments of a good artifact."""
    return Forged.of(artifact_file(name)).segments


@cache
def _decoded(data: bytes) -> tuple[Any, ...]:
    opened = read_artifact(data)
    return tuple(np.array(each) for each in opened)


def with_changed_arrays(data: bytes, changes: bytes) -> bytes:
    """The artifact with items of its arrays replaced: array, place and 8 bytes, repeated."""
    forged = Forged.of(data)
    arrays = _decoded(data)
    changed: dict[int, Any] = {}
    for start in range(0, len(changes) - 10, 11):
        index = changes[start] % len(arrays)
        place = int.from_bytes(changes[start + 1 : start + 3], "little")
        altered = changed.setdefault(index, np.array(arrays[index]).ravel(order="K"))
        if altered.size and altered.dtype.kind in "iufb":
            raw = changes[start + 3 : start + 3 + altered.dtype.itemsize]
            altered[place % altered.size] = np.frombuffer(raw, dtype=altered.dtype)[0]
    for index, values in changed.items():
        if values.dtype.kind == "b":
            values = values.view(np.uint8) & 1  # noqa: PLW2901
            values = values.view(np.bool_)  # noqa: PLW2901
        forged.set_array(index, values.reshape(arrays[index].shape))
    return forged.data()


@cache
def pipelines_with(codec: str) -> tuple[tuple[str, int, list[Any]], ...]:
    """(dtype, count, pipeline) of the golden streams that this codec is part of."""
    found = []
    for names, values in cases().values():
        if codec in names:
            encoded = encode_with(names, values)
            found.append((encoded.dtype, encoded.count, list(encoded.pipeline)))
    return tuple(found)


def seeds_of(target: str) -> Iterable[bytes]:
    """Inputs that reach into a target."""
    if target.startswith("codec_"):
        return _codec_seeds(target.removeprefix("codec_"))
    return {
        "scanner": _scanner_seeds,
        "artifact": lambda: [artifact_file(name) for name in ARTIFACTS],
        "manifest": _manifest_seeds,
        "model": _model_seeds,
        "stream": _stream_seeds,
        "array": _array_seeds,
        "configuration": _configuration_seeds,
        "release": _release_seeds,
        "answer": _answer_seeds,
        "original": _original_seeds,
    }[target]()


def _scanner_seeds() -> list[bytes]:
    good: list[Any] = [
        {"a": [1, 2.5, None, True], "b": ("x", b"y"), "c": {1, 2}},
        np.arange(6.0).reshape(2, 3),
        np.array(["a", None], dtype=object),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.float32(1.5),
    ]
    found = [pickle.dumps(each, protocol) for each in good for protocol in (0, 2, 4, 5)]
    for each in good[:3]:
        file = BytesIO()
        joblib.dump(each, file)
        found += [file.getvalue(), zlib.compress(file.getvalue())]
    return found + [data for data in HOSTILE_PICKLES.values() if len(data) <= LARGEST]


def _manifest_seeds() -> list[bytes]:
    return [
        bytes([at]) + canonical_json(Forged.of(artifact_file(name)).manifest)
        for at, name in enumerate(ARTIFACTS)
    ]


def _model_seeds() -> list[bytes]:
    generator = np.random.default_rng(0)
    return [
        bytes([at]) + generator.integers(0, 256, 11 * 3, dtype=np.uint8).tobytes()
        for at in range(len(MODELS))
        for _ in range(4)
    ]


def _stream_seeds() -> list[bytes]:
    found = []
    for names, values in cases().values():
        encoded = encode_with(names, values)
        head = json.dumps([encoded.dtype, encoded.count, list(encoded.pipeline)])
        found.append(head.encode() + b"\n" + encoded.data)
    return found


def _codec_seeds(codec: str) -> list[bytes]:
    found = []
    at = 0
    for names, values in cases().values():
        if codec in names:
            encoded = encode_with(names, values)
            step = next(step for step in encoded.pipeline if step["id"] == codec)
            changes = json.dumps(
                {key: value for key, value in step.items() if key != "id"}
            ).encode()
            for head in (b"", changes):
                sizes = encoded.count.to_bytes(2, "little") + len(head).to_bytes(2, "little")
                found.append(bytes([at]) + sizes + head + encoded.data)
            at += 1
    return found


def _array_seeds() -> list[bytes]:
    from model_quantization.schemes.quantize import quantize_array

    found = []
    for scheme in SCHEMES.values():
        for values in scheme_arrays().values():
            stored = quantize_array(values, scheme, FREE, threshold=1e-9)
            parts = {name: [part.dtype.str, int(part.size)] for name, part in stored.parts.items()}
            body = b"".join(part.tobytes() for part in stored.parts.values())
            found.append(json.dumps([stored.to_meta(), parts]).encode() + b"\n" + body)
    return found


def _configuration_seeds() -> list[bytes]:
    return [
        b"model_dir: models\nbit_depth: 8\n",
        b"gate: {allowed_drop: 0.01, alpha: 0.05, metric: accuracy}\nlimits: {nodes: 100}\n",
        b"overrides:\n- {match: 'intent*', bit_depth: exact, gate: {alpha: 0.1}}\n",
        b"schemes: {'*/coef_': {kind: affine, bits: 8, granularity: channel, symmetric: true}}\n",
        b"target: [a, b]\ntrusted: 'module:Class'\nonly: [x]\nweight_threshold: 1e-3\n",
        b"signing_key: env:KEY\npublic_keys: [a.pem]\nstrict: true\nn_workers: 4\n",
        b"a: &x [*x]\n",
        b"x: !!python/object/apply:os.system ['true']\n",
    ]


def _release_seeds() -> list[bytes]:
    digest = "ab" * 32
    entry = {
        "status": "published", "guarantee": "exact", "reason": "", "note": "",
        "artifact": f"objects/{digest}.qma", "artifact_sha256": digest,
        "artifact_size_bytes": 5, "source": "../a.pkl", "source_sha256": digest,
        "source_size_bytes": 9, "fingerprint": "f", "bit_depth": "8", "model_type": "Ridge",
    }  # fmt: skip
    record = {
        "format": "qma-release", "version": 1, "release": 3, "created": "2026-11-24T02:00:03Z",
        "models": {"a": entry, "eu/b": {**entry, "artifact": None, "artifact_sha256": ""}},
        "rollback_of": 1, "signature": {"key_id": "0" * 16, "value": "0" * 128},
    }  # fmt: skip
    return [json.dumps(record).encode(), json.dumps({**record, "version": 2}).encode()]


def _answer_seeds() -> list[bytes]:
    fields = {"what": "w", "where": "x", "expected": "e", "got": "g", "do": "d"}
    return [
        b'{"answer":{"a":1}}',
        json.dumps({"error": {"name": "ScanRefused", "fields": fields}}).encode(),
        b'{"error":{"name":"Nothing","fields":{}}}',
    ]


def _original_seeds() -> list[bytes]:
    numbers = np.arange(6.0)
    record = {
        "graph": ["o", "sklearn.linear_model._ridge:Ridge", [],
                  ["d", ["l", "coef_"], ["l", ["a", 0]]]],
        "arrays": [{"dtype": "<f8", "shape": [2, 3], "order": "C", "offset": 0}],
        "notes": ["a note"],
        "dropped": {"x": "y"},
        "surfaces": {"": {"methods": ["predict"], "task": "regression"}},
        "sklearn_version": "1.9.1",
        "load_seconds": 0.1,
        "rows": None,
        "error": {"name": "HeldOutError", "fields": {"what": "w", "where": "", "expected": "",
                                                     "got": "", "do": ""}},
    }  # fmt: skip
    return [json.dumps(record).encode() + b"\n" + numbers.tobytes()]
