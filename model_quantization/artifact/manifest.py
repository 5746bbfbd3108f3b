"""The manifest segment: its hash, its frame, its keys, and the hashes of the other segments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import zstandard

from model_quantization.artifact.container import canonical_json, parse_json
from model_quantization.errors import FormatError, IntegrityError, LimitError, VersionError
from model_quantization.graph.methods import PUBLIC_METHODS
from model_quantization.limits import Limits

if TYPE_CHECKING:
    from model_quantization.files.signing import PublicKeys, Signature

FORMAT = "qma"
VERSION = "1.0"
MANIFEST = "manifest"
_METADATA = frozenset({"format", "version", "manifest_sha256"})
_SIGNED = _METADATA | {"key_id", "signature"}
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def pack_manifest(manifest: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return the manifest segment, and the file's metadata with its hash."""
    packed = zstandard.ZstdCompressor(level=19).compress(canonical_json(manifest))
    digest = hashlib.sha256(packed).hexdigest()
    return packed, {"format": FORMAT, "version": VERSION, "manifest_sha256": digest}


def read_signature(metadata: Mapping[str, str], where: str) -> Signature | None:
    """Return the signature over the manifest's hash that the metadata hold; None without one.

    Raises
    ------
    FormatError
        An incomplete signature, or another value.
    """
    if metadata.keys().isdisjoint({"key_id", "signature"}):
        return None
    from model_quantization.files.signing import parse_signature

    return parse_signature(metadata.get("key_id"), metadata.get("signature"), where)


def read_manifest(
    packed: bytes,
    metadata: Mapping[str, str],
    limits: Limits,
    where: str,
    keys: PublicKeys | None = None,
) -> dict[str, Any]:
    """Return the manifest, its hash checked and every key but the tables and the graph read.

    With `keys`, the signature is checked before anything is parsed.

    Raises
    ------
    FormatError
        Another format, a broken frame, not JSON, a key too few, too many or of another type.
    VersionError
        Another major version.
    SignatureError
        `keys` do not accept the signature, or require one that is missing.
    IntegrityError
        Another hash than the metadata say.
    LimitError
        Larger than `limits` allow, or nested too deep.
    """
    if metadata.get("format") != FORMAT or set(metadata) not in (_METADATA, _SIGNED):
        _refuse(where, "not an artifact of this format", repr(dict(metadata))[:80])
    version = metadata["version"]
    if not _VERSION.fullmatch(version):
        _refuse(where, "a version is two numbers", repr(version)[:80])
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise VersionError(
            "another major version of the format",
            where=where,
            expected=VERSION,
            got=version,
            do="read it with the library that wrote it, or quantize the original again",
        )
    signature = read_signature(metadata, where)
    if keys is not None:
        from model_quantization.files.signing import ARTIFACT

        keys.check(ARTIFACT, metadata["manifest_sha256"], signature, where)
    if hashlib.sha256(packed).hexdigest() != metadata["manifest_sha256"]:
        raise IntegrityError(
            "the manifest's hash does not match",
            where=where,
            do="copy the file again, or quantize the original again",
        )
    manifest = parse_json(_inflate(packed, limits, where), where)
    _check_keys(manifest, where)
    return manifest  # type: ignore[no-any-return]  # an object, as just checked


def check_segments(
    segments: Mapping[str, memoryview], table: Mapping[str, Any], where: str
) -> None:
    """Check every segment against its length and hash in the manifest.

    Raises
    ------
    FormatError
        Other segments than the table has, or of another length.
    IntegrityError
        Another hash.
    """
    if set(segments) != set(table):
        _refuse(where, "segments and their table differ", str(sorted(set(segments) ^ set(table))))
    for name, data in segments.items():
        row = table[name]
        if (
            not isinstance(row, list)
            or len(row) != 2
            or type(row[0]) is not int
            or row[0] != len(data)
            or not _is_sha256(row[1])
        ):
            _refuse(where, f"segment {name} has another length than its table says", repr(row)[:80])
        if hashlib.sha256(data).hexdigest() != row[1]:
            raise IntegrityError(
                f"the hash of segment {name} does not match",
                where=where,
                do="copy the file again, or quantize the original again",
            )


def _inflate(packed: bytes, limits: Limits, where: str) -> bytes:
    # python-zstandard ignores max_output_size when the frame declares its size: look first.
    try:
        declared = zstandard.frame_content_size(packed)
        if declared > limits.manifest_bytes:
            raise LimitError(
                "the manifest is too large",
                where=where,
                expected=f"at most {limits.manifest_bytes} bytes",
                got=f"{declared} bytes declared",
            )
        if declared < 0:
            _refuse(where, "the manifest's frame does not say its size", "")
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as error:
        _refuse(where, "the manifest does not decompress", str(error))


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_sha256(value: Any) -> bool:
    return type(value) is str and _SHA256.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_object_or_null(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_surfaces(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(surface, dict)
        and {"methods", "task"} <= set(surface) <= {"methods", "task", "restored"}
        and _is_texts(surface["methods"])
        and set(surface["methods"]) <= set(PUBLIC_METHODS)
        and _is_text(surface["task"])
        and _is_table_of_texts(surface.get("restored", {}))
        and set(surface.get("restored", {})) <= set(surface["methods"])
        for surface in value.values()
    )


_Check = Callable[[Any], bool]
_KEYS: dict[str, _Check | dict[str, _Check]] = {
    "producer": {"name": _is_text, "version": _is_text},
    "libraries": _is_table_of_texts,
    "source": {
        "name": _is_text,
        "sha256": lambda value: value == "" or _is_sha256(value),
        "size_bytes": _is_count,
    },
    "model": {
        "type": _is_text,
        "family": _is_text,
        "surfaces": _is_surfaces,
        "exact": lambda value: isinstance(value, bool),
    },
    "recipe": {
        "bit_depth": _is_text,
        "weight_threshold": lambda value: type(value) in (int, float) and value >= 0,
        "dynamic": lambda value: isinstance(value, bool),
        "overrides": _is_list,
    },
    "residue": _is_table_of_texts,
    "notes": _is_texts,
    "arrays": _is_list,
    "streams": _is_list,
    "segments": _is_object,
    "evaluation": _is_object_or_null,
    "golden": _is_object_or_null,
    "graph": lambda value: True,  # read by graph_json
}


def _check_keys(manifest: Any, where: str) -> None:
    if not isinstance(manifest, dict):
        _refuse(where, "the manifest is not an object", type(manifest).__name__)
    _same_keys(manifest, _KEYS, "the manifest", where)
    for key, check in _KEYS.items():
        value = manifest[key]
        if isinstance(check, dict):
            if not isinstance(value, dict):
                _refuse(where, f"manifest key {key} has another type", type(value).__name__)
            _same_keys(value, check, key, where)
            for inner, holds in check.items():
                if not holds(value[inner]):
                    _refuse(where, f"manifest key {key}.{inner}", repr(value[inner])[:80])
        elif not check(value):
            _refuse(where, f"manifest key {key}", repr(value)[:80])


def _same_keys(value: dict[str, Any], known: Mapping[str, Any], what: str, where: str) -> None:
    if set(value) != set(known):
        got = ", ".join(sorted(set(value) ^ set(known)))
        _refuse(where, f"{what} has other keys than the format", got[:120])


def _refuse(where: str, what: str, got: str) -> NoReturn:
    raise FormatError(what, where=where, got=got, do="quantize the original again")
