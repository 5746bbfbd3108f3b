"""A release as a value: the checked content of `manifest.json`.

The manifest alone decides what is served. Publishing replaces it in one rename (`publish.py`), so
every reader sees one whole release. Loaders call `read_release`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from model_quantization.artifact.container import canonical_json
from model_quantization.errors import FormatError, PathRefused, ReleaseError, VersionError
from model_quantization.files.atomic import parse_json_object, read_json_object
from model_quantization.files.signing import (
    RELEASE,
    PublicKeys,
    Signature,
    SigningKey,
    parse_signature,
)
from model_quantization.limits import Limits
from model_quantization.names import check_name, printable
from model_quantization.outcome import Guarantee, Status

MANIFEST = "manifest.json"
OUTPUT = "quantized"  # the default output directory, in the directory of the models
FORMAT = "qma-release"
VERSION = 1
_OBJECT = re.compile(r"objects/([0-9a-f]{64})\.qma")
_SHA256 = re.compile(r"[0-9a-f]{64}|")
_RELEASE_FILE = re.compile(r"([1-9][0-9]*)\.json")


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """A release's entry of one model.

    Attributes
    ----------
    name : str
        The name for loaders; `sub/stem` for a model in a subdirectory.
    status, guarantee, reason, note
        The decision. After a failure, the entry of the last good release is kept as it was.
    artifact, artifact_sha256, artifact_size_bytes
        The object to serve, relative to the output directory; None: the original is served.
    source, source_sha256, source_size_bytes
        The original, relative to the output directory where possible, and the hash it is pinned
        by. An empty hash pins nothing: that original must not be loaded (it was refused).
    fingerprint : str
        Digest of everything the decision depended on.
    """

    name: str
    status: Status
    guarantee: Guarantee
    reason: str
    note: str
    artifact: str | None
    artifact_sha256: str
    artifact_size_bytes: int
    source: str
    source_sha256: str
    source_size_bytes: int
    fingerprint: str
    bit_depth: str
    model_type: str

    def to_json(self) -> dict[str, Any]:
        """The manifest's entry; the name is its key."""
        record = asdict(self)
        del record["name"]
        return record


@dataclass(frozen=True, slots=True)
class Release:
    """One whole release.

    Attributes
    ----------
    directory : Path
        The output directory it was read from.
    number : int
        Counts up from 1.
    created : str
        UTC, ISO 8601, to the second.
    models : mapping of str to ReleasedModel
    rollback_of : int or None
        The release whose content this one restored.
    key_id : str
        The key that the manifest names; empty if it is not signed.
    """

    directory: Path
    number: int
    created: str
    models: Mapping[str, ReleasedModel]
    rollback_of: int | None = None
    key_id: str = ""

    def artifact_path(self, name: str) -> Path | None:
        """The path of the model's artifact; None if the original is served."""
        artifact = self.models[name].artifact
        return None if artifact is None else self.directory / artifact

    def source_path(self, name: str) -> Path:
        """The path of the model's original."""
        return Path(os.path.normpath(self.directory / self.models[name].source))

    def to_json(self, key: SigningKey | None = None) -> dict[str, Any]:
        """The manifest; signed, when there is a key. Only its holder can sign it again."""
        record: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "release": self.number,
            "created": self.created,
            "models": {name: model.to_json() for name, model in sorted(self.models.items())},
        }
        if self.rollback_of is not None:
            record["rollback_of"] = self.rollback_of
        if key is not None:
            signature = key.sign(RELEASE, _digest(record))
            record["signature"] = {"key_id": signature.key_id, "value": signature.value}
        return record


def read_release(output_dir: Path | str, keys: PublicKeys | None = None) -> Release:
    """The release that `output_dir` publishes now.

    Parameters
    ----------
    keys : PublicKeys, optional
        Keys whose signatures count; without them, signatures are not checked.

    Raises
    ------
    ReleaseError
        There is none.
    FormatError
        The manifest breaks its grammar.
    VersionError
        It is of a version that this code does not read.
    SignatureError
        `keys` do not accept its signature, or that it has none.
    PathRefused
        It is a link, a pipe or a directory.
    """
    release = find_release(output_dir, keys)
    if release is None:
        inside = Path(output_dir) / OUTPUT
        do = "run the quantization first"
        if (inside / MANIFEST).is_file():  # the directory of the models was named
            do = f"the release of these models is in {inside}"
        raise ReleaseError("nothing was published here", where=str(output_dir), do=do)
    return release


def find_release(output_dir: Path | str, keys: PublicKeys | None = None) -> Release | None:
    """As `read_release`, but None when nothing was published yet."""
    directory = Path(output_dir)
    try:
        return read_manifest(directory / MANIFEST, directory, keys)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_manifest(
    path: Path, directory: Path, keys: PublicKeys | None = None, *, data: bytes | None = None
) -> Release:
    """The release that the manifest at `path` describes, for the output directory `directory`.

    With `data`, that is the manifest, and `path` only names it in messages.
    """
    limit = Limits().manifest_bytes
    try:
        if data is None:
            record = read_json_object(path, limit)
        else:
            record = parse_json_object(data, str(path), limit)
    except (FormatError, PathRefused) as error:
        raise type(error)(**{**error.fields(), "do": _what_to_do(path)}) from None
    if record.get("format") != FORMAT:
        raise _broken(path, "format", f"`{FORMAT}`", record.get("format"))
    if type(record.get("version")) is not int or record["version"] != VERSION:
        raise VersionError(
            "this release cannot be read",
            where=str(path),
            expected=f"version {VERSION}",
            got=f"version {record.get('version')!r}",
            do=f"upgrade this package; or {_what_to_do(path)}",
        )
    signature = _signature(path, record)
    if keys is not None:
        keys.check(RELEASE, _digest(record), signature, str(path))
    models = _typed(path, record, "models", dict)
    rollback_of = record.get("rollback_of")
    if rollback_of is not None and type(rollback_of) is not int:
        raise _broken(path, "rollback_of", "a whole number", rollback_of)
    number = _typed(path, record, "release", int)
    if number < 1:
        raise _broken(path, "release", "1 or more", number)
    return Release(
        directory=directory,
        number=number,
        created=_typed(path, record, "created", str),
        models=_parse_models(path, models),
        rollback_of=rollback_of,
        key_id=signature.key_id if signature else "",
    )


def _signature(path: Path, record: dict[str, Any]) -> Signature | None:
    if "signature" not in record:
        return None
    signature = _typed(path, record, "signature", dict)
    return parse_signature(signature.get("key_id"), signature.get("value"), str(path))


def _digest(record: dict[str, Any]) -> str:
    """sha256 of a manifest's content without its signature, independent of its layout."""
    said = {key: value for key, value in record.items() if key != "signature"}
    return hashlib.sha256(canonical_json(said)).hexdigest()


def release_files(output_dir: Path) -> dict[int, Path]:
    """Every kept manifest by its number, whether or not it can be read."""
    found = {}
    for path in (output_dir / "releases").glob("*.json"):
        if match := _RELEASE_FILE.fullmatch(path.name):
            found[int(match[1])] = path
    return found


_TYPES = {"artifact_size_bytes": int, "source_size_bytes": int}


def _parse_models(path: Path, entries: dict[str, Any]) -> dict[str, ReleasedModel]:
    parsed = [_parse_model(path, name, entry) for name, entry in entries.items()]
    models = {model.name: model for model in parsed}
    if len(models) != len(parsed):
        raise _broken(path, "models", "each name once", "one name in two spellings (NFC and NFD)")
    return models


def _parse_model(path: Path, name: str, entry: Any) -> ReleasedModel:
    where = f"models/{printable(name)}"
    if not isinstance(entry, dict):
        raise _broken(path, where, "an object", entry)
    # Keys that are not known here are ignored: newer code may add some within one version.
    values = {
        item.name: _typed(path, entry, item.name, _TYPES.get(item.name, str), where)
        for item in fields(ReleasedModel)
        if item.name not in ("name", "artifact")
    }
    for key, vocabulary in (("status", Status), ("guarantee", Guarantee)):
        if values[key] not in set(vocabulary):
            raise _broken(path, f"{where}/{key}", f"one of {', '.join(vocabulary)}", values[key])
        values[key] = vocabulary(values[key])
    for key in ("artifact_sha256", "source_sha256"):
        if not _SHA256.fullmatch(values[key]):
            raise _broken(path, f"{where}/{key}", "64 hexadecimal digits", values[key])
    for key in _TYPES:
        if values[key] < 0:
            raise _broken(path, f"{where}/{key}", "0 or more", values[key])
    artifact = entry.get("artifact")
    if artifact is not None:
        match = _OBJECT.fullmatch(artifact) if isinstance(artifact, str) else None
        if match is None or match[1] != values["artifact_sha256"]:
            raise _broken(path, f"{where}/artifact", "`objects/<its sha256>.qma` or null", artifact)
    try:
        name = check_name(name)
    except PathRefused as error:
        if artifact is not None:
            raise _broken(path, where, "a safe name", error.got) from None
    return ReleasedModel(name=name, artifact=artifact, **values)


def _typed(path: Path, record: dict[str, Any], key: str, kind: type, where: str = "") -> Any:
    value = record.get(key)
    if type(value) is not kind:  # not isinstance: True is no number
        named = {int: "a whole number", str: "text", dict: "an object"}[kind]
        raise _broken(path, f"{where}/{key}".lstrip("/"), named, value)
    return value


def _broken(path: Path, key: str, expected: str, got: object) -> FormatError:
    return FormatError(
        f"`{key}` is not usable",
        where=str(path),
        expected=expected,
        got=printable(repr(got))[:80],
        do=_what_to_do(path),
    )


def _what_to_do(path: Path) -> str:
    """What mends a manifest that cannot be read."""
    if path.name != MANIFEST:
        return "roll back to another release, or restore this file from a backup"
    return (
        "`model-quantization rollback <output directory>` lists the kept releases and brings one "
        "back; without any, remove the file and run the quantization again"
    )
