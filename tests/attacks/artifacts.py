"""Hostile artifacts for a model that is served, each with the error that it gets.

They are made from the artifact that serves it, or take its place; every hash fits unless the case
is about that, so that each comes as far as whoever wrote the release can bring it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from model_quantization.errors import (
    CodecError,
    EnvironmentMismatch,
    FormatError,
    IntegrityError,
    LimitError,
    SemanticError,
    UntrustedTypeError,
    VersionError,
)
from model_quantization.pipeline.in_memory import quantize_live_model
from model_quantization.schemes.recipe import recipe_for
from model_quantization.trust import TrustPolicy
from tests.artifact.forge import Forged, edited, header_of, pack, with_header, with_part
from tests.artifact.models import array_at, file_of, rows, with_array
from tests.attacks.case import Case


def _container(change: Callable[[dict[str, Any]], object], data: bytes) -> bytes:
    header, body = header_of(data)
    change(header)
    return with_header(header, body)


def _overlap(header: dict[str, Any]) -> None:
    start, end = header["bundle"]["data_offsets"]
    header["bundle"].update(data_offsets=[start - 1, end], shape=[end - start + 1])


def _duplicate(data: bytes) -> bytes:
    text = json.dumps(Forged.of(data).manifest)
    return Forged.of(data).data(pack((text[:-1] + ', "notes": []}').encode()))


def _bomb(data: bytes) -> bytes:
    head = b"\x28\xb5\x2f\xfd\xe0" + (512 << 20).to_bytes(8, "little")
    return Forged.of(data).data(head + (100 << 3 | 1).to_bytes(3, "little") + b"x" * 100)


def _shape(shape: Any, data: bytes) -> bytes:
    return edited(data, lambda manifest: manifest["arrays"][0][0].update(shape=shape))


def _flip(segment: str, data: bytes) -> bytes:
    header, body = header_of(data)
    start, end = header[segment]["data_offsets"]
    hostile = bytearray(data)
    hostile[len(data) - len(body) + (start + end) // 2] ^= 1
    return bytes(hostile)


def _text(text: str, data: bytes) -> bytes:
    return Forged.of(data).data(pack(text.encode()))


def _stream(position: int, value: Any, data: bytes) -> bytes:
    def change(manifest: dict[str, Any]) -> None:
        manifest["streams"][0][position] = value

    return edited(data, change)


def _graph(node: Any, data: bytes) -> bytes:
    return edited(data, lambda manifest: manifest.update(graph=node))


def _extra_key(key: str, value: Any, data: bytes) -> bytes:
    return edited(data, lambda manifest: manifest.update({key: value}))


def _version(version: str, data: bytes) -> bytes:
    forged = Forged.of(data)
    forged.version = version
    return forged.data()


# Other models, which would be asked in this one's place.


def _tree(_: bytes) -> bytes:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    return file_of(tree.fit(rows(), rows()[:, 0] * rows()[:, 1] > 0))


def _neighbors(_: bytes) -> bytes:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(algorithm="kd_tree", leaf_size=5)
    return file_of(model.fit(rows(), rows()[:, 0] > 0))


def _histogram(_: bytes) -> bytes:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=4)
    return file_of(model.fit(rows(), rows()[:, 0] > 0))


def _sparse(_: bytes) -> bytes:
    return file_of(LogisticRegression().fit(rows(), rows()[:, 0] > 0).sparsify())


def _scale(value: float, _: bytes) -> bytes:
    labels = np.arange(60) % 3
    model = LogisticRegression().fit(np.random.default_rng(0).normal(size=(60, 200)), labels)
    made = quantize_live_model(model, recipe_for("8"), TrustPolicy())
    scheme = {"kind": "affine", "bits": 8, "granularity": "channel", "symmetric": True}
    return with_part(made.data, scheme, "scale", np.array([1.0, value]))


def _set(make: Callable[[bytes], bytes], path: str, position: Any, value: Any, _: bytes) -> bytes:
    data = make(b"")
    _, values = array_at(data, path)
    values[position] = value
    return with_array(data, path, values)


def _cases() -> list[Case]:
    def case(
        number: int, name: str, error: Any, make: Callable[..., bytes], *arguments: Any
    ) -> Case:
        return Case(number, name, error, lambda data: make(*arguments, data))

    trees = "tree_/nodes/"
    return [
        case(27, "empty", FormatError, lambda _: b""),
        case(27, "seven bytes", FormatError, lambda data: data[:7]),
        case(28, "header of 2^63", FormatError, lambda d: struct.pack("<Q", 1 << 63) + d[8:]),
        *(
            case(29, f"cut at {percent} %", FormatError,
                 lambda share, data: data[: len(data) * share // 100], percent)
            for percent in range(0, 100, 9)
        ),
        case(30, "overlapping offsets", FormatError, _container, _overlap),
        case(30, "trailing bytes", FormatError, lambda data: data + b"\0"),
        case(30, "duplicate key", FormatError, _duplicate),
        case(31, "512 MB declared", LimitError, _bomb),
        *(
            case(32, f"shape {shape}", FormatError, _shape, shape)
            for shape in ([-1], [True], [1 << 31, 1 << 31])
        ),
        case(33, "flipped in the manifest", IntegrityError, _flip, "manifest"),
        case(33, "flipped in the arrays", IntegrityError, _flip, "bundle"),
        case(35, "depth of 100,000", LimitError, _text, "[" * 100_000 + "]" * 100_000),
        case(35, "a million digits", LimitError, _text, '{"notes": ' + "1" * 1_000_000 + "}"),
        case(36, "objects", FormatError, _stream, 0, "|O"),
        case(36, "void of 2 GB", FormatError, _stream, 0, "V2147483647"),
        case(37, "eval", UntrustedTypeError, _graph, ["o", "builtins:eval", ["true"]]),
        case(37, "function", UntrustedTypeError, _graph, ["o", "numpy:log1p", [1]]),
        case(38, "reference ahead", FormatError, _graph, ["l", ["r", 1], ["#", 1, ["l"]]]),
        case(38, "circle", FormatError, _graph, ["#", 0, ["l", ["r", 0]]]),
        case(38, "no such array", FormatError, _graph, ["a", 999]),
        case(39, "child", SemanticError, _set, _tree, f"{trees}left_child", 0, 1 << 40),
        case(39, "feature", SemanticError, _set, _tree, f"{trees}feature", 0, 1 << 40),
        case(40, "cycle", SemanticError, _set, _tree, f"{trees}left_child", 1, 0),
        case(41, "column", SemanticError, _set, _sparse, "coef_/indices", 3, 600),
        case(42, "k-d tree", SemanticError, _set, _neighbors, "_tree/state/1", 0, 600),
        case(42, "bitset", SemanticError, _set, _histogram,
             "_predictors/0/0/nodes/is_categorical", 0, 1),
        case(45, "trusted", FormatError, _extra_key, "trusted", ["os:system"]),
        *(
            case(46, f"scale of {value}", SemanticError, _scale, value)
            for value in (np.nan, np.inf, 0.0)
        ),
        case(47, "version 2.0", VersionError, _version, "2.0"),
        case(47, "unknown codec", CodecError, _stream, 2, [{"id": "blosc"}]),
        case(48, "class of another version", EnvironmentMismatch, _graph,
             ["o", "sklearn._loss._loss:CyHuberLoss", ["x"]]),
    ]  # fmt: skip


CASES = _cases()
