"""Opens an artifact: checks all of it, and decodes arrays on demand.

The order is fixed: plain file, size, pinned hash, container, version, signature, manifest hash,
manifest limits, manifest keys, segment hashes, tables, graph. Streams are decoded on demand, each
against its declared size first. What the values mean is checked when an object is made of them
(`restore`, `lower`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from model_quantization.arrays import Array
from model_quantization.artifact.container import read_container
from model_quantization.artifact.manifest import (
    MANIFEST,
    check_segments,
    read_manifest,
    read_signature,
)
from model_quantization.artifact.tables import StoredArray, Stream, read_arrays, read_streams
from model_quantization.codecs import decode_stream
from model_quantization.errors import ArtifactError, FormatError, IntegrityError, LimitError
from model_quantization.files.plain_files import read_regular
from model_quantization.graph.json_form import node_from_json
from model_quantization.graph.nodes import Node
from model_quantization.limits import Limits
from model_quantization.schemes.quantize import dequantize_array
from model_quantization.schemes.quantized_array import QuantizedArray

if TYPE_CHECKING:
    from model_quantization.files.signing import PublicKeys, Signature


class Artifact(Sequence[Array]):
    """One opened artifact: the sequence of its arrays, and its manifest.

    Several threads may read one. If two decode an array at the same time, both get the same one.

    Attributes
    ----------
    manifest : dict
        The file's manifest.
    root : Node
        The model's graph.
    data : bytes
        The whole file.
    where : str
        Its name in errors.
    signature : Signature or None
        The signature that it carries; whether it is good was checked if keys were given.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        root: Node,
        data: bytes,
        where: str,
        signature: Signature | None,
        segments: dict[str, memoryview],
        streams: tuple[Stream, ...],
        arrays: tuple[StoredArray, ...],
        limits: Limits,
        sha256: str = "",
    ) -> None:
        self.manifest = manifest
        self.root = root
        self.data = data
        self.where = where
        self.signature = signature
        self._segments = segments
        self._streams = streams
        self._arrays = arrays
        self._limits = limits
        self._sha256 = sha256
        self._decoded: dict[int, Array] = {}
        self._values: dict[int, Array] = {}

    def __repr__(self) -> str:
        return f"<Artifact {self.where}: {len(self._arrays)} arrays, {len(self.data):,} bytes>"

    @property
    def sha256(self) -> str:
        """sha256 of the whole file, computed on demand: every segment has a checked hash."""
        if not self._sha256:
            self._sha256 = hashlib.sha256(self.data).hexdigest()
        return self._sha256

    def __len__(self) -> int:
        return len(self._arrays)

    @overload
    def __getitem__(self, index: int) -> Array: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Array]: ...

    def __getitem__(self, index: int | slice) -> Array | Sequence[Array]:
        """The decoded array, in its original dtype, shape and order; read-only."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        value = self._values.get(index)
        if value is None:
            value = dequantize_array(self.quantized(index), own=self._is_shared(index))
            value.flags.writeable = False
            value = self._values.setdefault(index, value)
        return value

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))

    def quantized(self, index: int) -> QuantizedArray:
        """The array as it is stored: its scheme and parts, read-only.

        Raises
        ------
        ArtifactError, LimitError
            Parts that do not decode, or make no array of this scheme; names the array.
        """
        stored = self._arrays[index]
        parts = {
            part.name: self._stream(part.stream)[part.offset : part.offset + part.count]
            for part in stored.parts
        }
        try:
            return QuantizedArray.from_meta(
                stored.meta, parts, max_bytes=self._limits.decoded_bytes
            )
        except (ArtifactError, LimitError) as error:
            raise error.at(f"{self.where}: array {index}") from None

    def _is_shared(self, index: int) -> bool:
        """Whether other arrays lie in the same streams: a view would keep all of them alive."""
        return any(
            part.count != self._streams[part.stream].count for part in self._arrays[index].parts
        )

    def _stream(self, number: int) -> Array:
        values = self._decoded.get(number)
        if values is None:
            stream = self._streams[number]
            data = self._segments[stream.segment][stream.offset : stream.offset + stream.length]
            try:
                values = decode_stream(
                    stream.pipeline,
                    stream.dtype.str,
                    stream.count,
                    data,
                    max_bytes=self._limits.decoded_bytes,
                )
            except (ArtifactError, LimitError) as error:
                raise error.at(f"{self.where}: stream {number}") from None
            values.flags.writeable = False
            values = self._decoded.setdefault(number, values)
        return values

    def stored_bytes(self, index: int) -> float:
        """The array's share of the file in bytes: its part of its streams."""
        return sum(
            self._streams[part.stream].length
            * part.count
            / max(1, self._streams[part.stream].count)
            for part in self._arrays[index].parts
        )

    def scheme(self, index: int) -> dict[str, Any]:
        """The stored form of the array as JSON (FORMAT.md, section 5); nothing is decoded."""
        return self._arrays[index].meta

    def release(self) -> int:
        """Drop decoded streams and arrays; they are decoded again on demand.

        Returns
        -------
        int
            Bytes of memory that were given back.
        """
        # Copied first: threads that answer meanwhile add to both.
        kept = (*self._decoded.copy().values(), *self._values.copy().values())
        freed = sum(array.nbytes for array in kept)
        self._decoded.clear()
        self._values.clear()
        return freed

    def check(self) -> None:
        """Decode every stream and array once.

        Raises
        ------
        ArtifactError, LimitError
            Something does not decode; names the stream or array.
        """
        for index in range(len(self)):
            dequantize_array(self.quantized(index))
        self.release()

    def sealed(
        self,
        evaluation: dict[str, Any] | None,
        golden: dict[str, Any] | None,
        restored: Mapping[str, Mapping[str, str]] | None = None,
    ) -> bytes:
        """Return the same file with the results of its evaluation in its manifest.

        Segments keep their bytes, so that the evaluated arrays are the served ones.

        Parameters
        ----------
        evaluation, golden : dict or None
            Figures, and rows for the self-test.
        restored : mapping of str to mapping, optional
            Path of a model in the file -> methods that the restored estimator must answer, with
            the reason for each.
        """
        from model_quantization.artifact.writer import assemble  # not needed to answer

        manifest = {key: value for key, value in self.manifest.items() if key != "segments"}
        manifest |= {"evaluation": evaluation, "golden": golden}
        slow = {path: dict(reasons) for path, reasons in (restored or {}).items() if reasons}
        if slow:
            surfaces = manifest["model"]["surfaces"]
            changed = {path: surfaces[path] | {"restored": slow[path]} for path in slow}
            manifest["model"] = manifest["model"] | {"surfaces": surfaces | changed}
        return assemble(manifest, {name: bytes(data) for name, data in self._segments.items()})


def read_artifact(
    source: Path | str | bytes,
    limits: Limits | None = None,
    *,
    where: str = "",
    sha256: str = "",
    keys: PublicKeys | None = None,
) -> Artifact:
    """Open an artifact and check all of it that can be checked without decoding.

    Parameters
    ----------
    source : path or bytes
        The file, or its bytes.
    limits : Limits, optional
    where : str, optional
        Name of the source in errors; the path by default.
    sha256 : str, optional
        The hash that the file must have.
    keys : PublicKeys, optional
        Keys whose signatures count; without them, signatures are not checked.

    Raises
    ------
    FormatError, VersionError, IntegrityError, SignatureError, LimitError, PathRefused
        What is wrong with the file.
    """
    limits = limits or Limits()
    where = where or ("artifact" if isinstance(source, bytes) else str(source))
    data = source if isinstance(source, bytes) else read_regular(Path(source), limits.file_bytes)
    digest = hashlib.sha256(data).hexdigest() if sha256 else ""
    if digest != sha256:
        raise IntegrityError(
            "the artifact is not the one that was released",
            where=where,
            expected=f"sha256 {sha256}",
            got=digest,
            do="run the quantization again",
        )
    segments, metadata = read_container(data, limits, where)
    packed = bytes(segments.pop(MANIFEST, memoryview(b"")))
    manifest = read_manifest(packed, metadata, limits, where, keys)
    check_segments(segments, manifest["segments"], where)
    streams = read_streams(manifest["streams"], segments, limits, where)
    arrays = read_arrays(manifest["arrays"], streams, limits, where)
    try:
        root = node_from_json(manifest["graph"], n_arrays=len(arrays), limits=limits)
    except (FormatError, LimitError) as error:
        raise error.at(where) from None
    signature = read_signature(metadata, where)
    return Artifact(
        manifest, root, data, where, signature, segments, streams, arrays, limits, digest
    )
