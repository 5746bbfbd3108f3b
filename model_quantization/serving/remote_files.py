"""The files of a served model in object storage: fetched when needed, then kept.

Artifacts are kept by their sha256, so that each is fetched once in the life of the cache. Only the
manifest is fetched each time that a loader looks for a release.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model_quantization.errors import FormatError, StorageError
from model_quantization.files.atomic import hash_file
from model_quantization.files.kept_copies import fetch, is_whole, keep
from model_quantization.files.object_store import (
    Location,
    StoredFile,
    cache_directory,
    is_url,
    join_url,
    mirror_path,
)
from model_quantization.files.signing import PublicKeys
from model_quantization.limits import Limits
from model_quantization.names import looks_like_model, model_name, spellings
from model_quantization.places import default_model_dir
from model_quantization.release.manifest import (
    MANIFEST,
    Release,
    ReleasedModel,
    find_release,
    read_manifest,
)
from model_quantization.serving.served_files import ServedFiles

logger = logging.getLogger("model_quantization.serving")


@dataclass(frozen=True, slots=True)
class RemoteFiles(ServedFiles):
    """As `ServedFiles`, where one or both directories are URLs.

    Attributes
    ----------
    model_url, output_url : str or None
        Source of the files; None for a local directory. `model_dir` and `output_dir` keep the
        copies.
    """

    model_url: str | None = None
    output_url: str | None = None

    def release(self, keys: PublicKeys | None = None) -> Release | None:
        """The current release; while the store cannot be reached, the last one that was fetched."""
        if self.output_url is None:
            return find_release(self.output_dir, keys)
        manifest = self.output_dir / MANIFEST
        try:
            data = Location(self.output_url).read(MANIFEST, Limits().manifest_bytes)
        except FileNotFoundError:
            with suppress(OSError):
                manifest.unlink(missing_ok=True)
            return None
        except StorageError as error:
            release = self._last_seen(keys)
            if release is None:
                raise
            logger.warning("%s: the release that was seen last is served: %s", self.name, error)
            return release
        release = read_manifest(manifest, self.output_dir, keys, data=data)
        keep(manifest, data, self.output_dir)
        return release

    def _last_seen(self, keys: PublicKeys | None) -> Release | None:
        """The release whose manifest was kept; None when that copy is gone or damaged."""
        try:
            return find_release(self.output_dir, keys)
        except (FormatError, OSError) as error:
            logger.warning("%s: the kept manifest cannot be used: %s", self.name, error)
            return None

    def artifact(self, released: ReleasedModel) -> Path | None:
        """The path of the release's artifact, fetched unless it is here and complete.

        If that fails, the path may be missing or an old file; loading checks its hash.
        """
        path = ServedFiles.artifact(self, released)
        if path is None or self.output_url is None:
            return path
        if is_whole(path, released.artifact_sha256):
            return path
        try:
            return fetch(Location(self.output_url), str(released.artifact), self.output_dir)
        except (StorageError, FileNotFoundError) as error:
            logger.warning("%s: its artifact cannot be fetched: %s", self.name, error)
        return path

    def original(self, released: ReleasedModel | None) -> Path:
        """The original's file, fetched if the store has another one than last time."""
        if self.model_url is None:
            return ServedFiles.original(self, released)
        location = Location(self.model_url)
        found = self._originals(location)
        for path in self._candidates():
            if path.relative_to(self.model_dir).as_posix() not in found:
                with suppress(OSError):
                    path.unlink()
        fetched = [self._fetched(location, name, file) for name, file in sorted(found.items())]
        return self._chosen(fetched, released)

    def original_size_bytes(self, released: ReleasedModel | None) -> int:
        """The size of the original, which is not fetched for that."""
        if self.model_url is None or released is None:
            return ServedFiles.original_size_bytes(self, released)
        return released.source_size_bytes

    def replaced(self, released: ReleasedModel) -> bool:
        """Whether the original in the store has another size than the release pinned.

        More would need the whole file; loading checks its hash in any case.
        """
        if self.model_url is None:
            return ServedFiles.replaced(self, released)
        try:
            found = self._originals(Location(self.model_url))
        except OSError:
            return False
        sizes = {file.size_bytes for file in found.values()}
        return bool(sizes) and released.source_size_bytes not in sizes

    def _originals(self, location: Location) -> dict[str, StoredFile]:
        """The files in the store that have this model's name, by their names below the location."""
        folder, _, stem = self.name.rpartition("/")
        return {
            f"{spelled}/{name}".lstrip("/"): file
            for spelled in spellings(folder)
            for name, file in location.list_folder(spelled).items()
            if looks_like_model(name) and model_name(name) == stem
        }

    def _fetched(self, location: Location, name: str, file: StoredFile) -> Path:
        """The path of a copy of the original; fetched unless the copy is current and complete."""
        path = self.model_dir / name
        mark = path.with_name(f".{path.name}.version")
        version = f"{file.size_bytes} {file.version}"
        try:
            seen, _, sha256 = mark.read_bytes().decode("ascii", "replace").rpartition(" ")
        except OSError:
            seen = sha256 = ""
        if file.version and seen == version and is_whole(path, sha256):
            return path
        path = fetch(location, name, self.model_dir)
        keep(mark, f"{version} {hash_file(path)[0]}".encode(), self.model_dir)
        return path


def served_files(
    name: str, model_dir: Path | str | None = None, output_dir: Path | str | None = None
) -> ServedFiles:
    """The files of model `name`, in directories or in object storage.

    Parameters
    ----------
    model_dir : path or URL, optional
        Default: `places.default_model_dir`.
    output_dir : path or URL, optional
        Default ``ML_QUANTIZED_DIR``, else `quantized` in the model directory.
    """
    models = model_dir or default_model_dir()
    output = output_dir or os.environ.get("ML_QUANTIZED_DIR")
    if output is None or output == "":
        output = join_url(models, "quantized") if is_url(models) else Path(models) / "quantized"
    if not is_url(models) and not is_url(output):
        return ServedFiles(name, Path(models), Path(output))
    # Not the mirrors of runs: those may be ahead of the published release.
    kept = cache_directory() / "served"
    return RemoteFiles(
        name,
        mirror_path(models, kept) if is_url(models) else Path(models),
        mirror_path(output, kept) if is_url(output) else Path(output),
        model_url=models if is_url(models) else None,
        output_url=output if is_url(output) else None,
    )
