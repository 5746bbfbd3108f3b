"""A directory in object storage, with the few operations that runs and loaders need.

Written over fsspec, whose file systems are named by the scheme of a URL (`s3://bucket/prefix`,
`gs://`, `abfs://`). Names below a location are relative, with `/` between their parts.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from model_quantization.errors import ConfigError, LimitError, StorageError
from model_quantization.extras import install_command
from model_quantization.files.atomic import CHUNK_BYTES, writing
from model_quantization.locks import cached_property

CACHE_VARIABLE = "ML_CACHE_DIR"
# One request: s3fs splits larger ones, and the parts of a split one are not conditional.
WHOLE_BYTES = 1 << 30
_URL = re.compile(r"[a-z][a-z0-9+.-]+://")
REGISTRY = "mlflow://"
_EXTRAS = {"s3": "s3", "s3a": "s3"}


def is_url(place: object) -> TypeGuard[str]:
    """Whether a directory is named by a URL, and thus not a local path."""
    return isinstance(place, str) and _URL.match(place) is not None


def is_registry(place: object) -> TypeGuard[str]:
    """Whether models are named by an MLflow registry: `mlflow://` and `latest` or an alias."""
    return is_url(place) and place.startswith(REGISTRY)


def join_url(url: str, relative: str) -> str:
    """The URL of something below `url`."""
    return f"{url.rstrip('/')}/{relative}"


def mirror_path(url: str, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The directory that mirrors a URL: below the cache, under the URL's parts.

    So relative paths between mirrors are those between their URLs.

    Parameters
    ----------
    cache_dir : path, optional
        Default `cache_directory()`.

    Raises
    ------
    ConfigError
        The URL holds `..` or an empty part.
    """
    scheme, _, rest = url.rstrip("/").partition("://")
    parts = rest.split("/")
    if any(not is_plain_part(part) for part in parts):
        raise ConfigError(
            "this URL cannot be mirrored",
            where=url,
            expected="scheme://bucket/prefix",
            got="a part that is empty, `.` or `..`",
        )
    return Path(cache_dir or cache_directory()).absolute().joinpath(scheme, *parts)


def cache_directory() -> Path:
    """``ML_CACHE_DIR``, else `model-quantization` in the user's cache directory."""
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(CACHE_VARIABLE) or Path(users) / "model-quantization")


def is_plain_part(part: str) -> bool:
    """Whether a part of a remote name can name a local file of the same directory."""
    return part not in ("", ".", "..") and "\0" not in part and len(os.fsencode(part)) <= 255


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in object storage.

    Attributes
    ----------
    size_bytes : int
    version : str
        Changes whenever the content does (an ETag or a generation); empty when the store gives
        nothing that can be relied on.
    """

    size_bytes: int
    version: str


@dataclass(frozen=True)
class Location:
    """A directory in object storage, by its URL.

    Credentials and endpoints come from the sources of the store's own tools, such as
    ``AWS_ENDPOINT_URL``. Every method raises `StorageError` when the store fails, and
    `FileNotFoundError` for a file that is not there.
    """

    url: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        scheme = self.url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs

            # Cached listings would hide files that other machines write.
            with self._reached(""):
                filesystem, path = url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            extra = _EXTRAS.get(scheme)
            raise ConfigError(
                f"{scheme}:// needs a package that is not installed ({error})",
                where=self.url,
                do=install_command(extra) if extra else "install what fsspec names for it",
            ) from None
        except ValueError as error:
            raise ConfigError(f"not a URL of object storage ({error})", where=self.url) from None
        return filesystem, path.rstrip("/")

    def list(self) -> dict[str, StoredFile]:
        """Every file below the location, by its relative name."""
        filesystem, root = self._opened
        with self._reached(""):
            found = filesystem.find(root, detail=True)
        return {
            path.removeprefix(root).lstrip("/"): _stored(info)
            for path, info in found.items()
            if info["type"] == "file" and path.startswith(f"{root}/")
        }

    def list_folder(self, folder: str) -> dict[str, StoredFile]:
        """The files in a folder (empty: the location itself), by name; not those below."""
        try:
            with self._reached(folder):
                found = self._opened[0].ls(self._path(folder).rstrip("/"), detail=True)
        except FileNotFoundError:
            return {}
        return {
            info["name"].rpartition("/")[2]: _stored(info)
            for info in found
            if info["type"] == "file"
        }

    def find(self, relative: str) -> StoredFile | None:
        """Size and version of a file, or None."""
        try:
            with self._reached(relative):
                return _stored(self._opened[0].info(self._path(relative)))
        except FileNotFoundError:
            return None

    def read(self, relative: str, limit_bytes: int) -> bytes:
        """The content of a small file.

        Raises
        ------
        LimitError
            Larger than `limit_bytes`.
        """
        with self._reached(relative), self._opened[0].open(self._path(relative), "rb") as stream:
            data: bytes = stream.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            where = join_url(self.url, relative)
            raise LimitError("too large", where=where, expected=f"at most {limit_bytes:,} bytes")
        return data

    def download(self, relative: str, target: Path) -> str:
        """Fetch a file to `target`; return its sha256, which is computed on the way."""
        digest = hashlib.sha256()
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                self._reached(relative),
                self._opened[0].open(self._path(relative), "rb") as stream,
                _written(temporary, target) as write,
            ):
                while chunk := stream.read(CHUNK_BYTES):
                    digest.update(chunk)
                    write(chunk)
            with writing(target):
                temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return digest.hexdigest()

    def upload(self, source: Path, relative: str) -> None:
        """Store a local file under `relative`; readers see all of it or none."""
        with self._reached(relative):
            self._opened[0].put_file(str(source), self._path(relative))

    def replace(self, relative: str, data: bytes, before: StoredFile | None) -> bool:
        """Write `data` if the file is still `before` (or absent); return whether it was.

        S3 checks that itself, in one step. Other stores are read just before writing.
        """
        filesystem, path = self._opened[0], self._path(relative)
        protocols = filesystem.protocol
        atomic = "s3" in ((protocols,) if isinstance(protocols, str) else protocols)
        if not atomic and self.find(relative) != before:
            return False
        options: dict[str, Any] = {}
        if atomic:
            options = {"IfMatch": before.version} if before else {"mode": "create"}
        try:
            with self._reached(relative):
                filesystem.pipe_file(path, data, chunksize=WHOLE_BYTES, **options)
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            if before is not None:
                return False
            raise StorageError(
                "there is no such bucket", where=self.url, do="create it, or correct the URL"
            ) from error
        except StorageError:
            if self.find(relative) != before:  # the condition, and not the store, failed
                return False
            raise
        return True

    def copy(self, relative: str, target: str) -> None:
        """Copy `relative` to `target` inside the store."""
        with self._reached(target):
            self._opened[0].cp_file(self._path(relative), self._path(target))

    def remove(self, names: Iterable[str]) -> None:
        """Remove these files."""
        for relative in names:
            try:
                with self._reached(relative):
                    self._opened[0].rm_file(self._path(relative))
            except FileNotFoundError:
                continue

    def _path(self, relative: str) -> str:
        return f"{self._opened[1]}/{relative}"

    @contextmanager
    def _reached(self, relative: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError, StorageError):
            raise
        except _failures() as error:
            raise StorageError(
                f"object storage failed ({' '.join(str(error).split()) or type(error).__name__})",
                where=join_url(self.url, relative),
                do="check the address, the credentials and the network, and run again",
            ) from error


@contextmanager
def _written(temporary: Path, target: Path) -> Iterator[Callable[[bytes], None]]:
    """Writes a new local file; a full disk is a `ReleaseError`, not an error of the store."""
    with writing(target):
        stream = temporary.open("xb")

    def write(data: bytes) -> None:
        with writing(target):
            stream.write(data)
            stream.flush()

    with stream:
        yield write


def _failures() -> tuple[type[Exception], ...]:
    """Errors that stores raise, of the clients that are imported."""
    clients = (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError"))
    return (
        OSError,
        *(getattr(sys.modules[name], kind) for name, kind in clients if name in sys.modules),
    )


def _stored(info: dict[str, Any]) -> StoredFile:
    version = str(info.get("ETag") or info.get("etag") or info.get("generation") or "")
    # A weak ETag may stay the same when the content changes.
    return StoredFile(int(info["size"]), "" if version.startswith("W/") else version)
