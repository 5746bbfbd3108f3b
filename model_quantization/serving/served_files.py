"""The paths of a served model's two files, and their entry in the release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_quantization.errors import PathRefused
from model_quantization.files.atomic import hash_file
from model_quantization.files.plain_files import present_once
from model_quantization.files.signing import PublicKeys
from model_quantization.names import (
    ENDINGS,
    check_name,
    looks_like_model,
    model_name,
    spellings,
)
from model_quantization.release.manifest import Release, ReleasedModel, find_release


@dataclass(frozen=True, slots=True)
class ServedFiles:
    """The files of one model by name: an original, and the release that may replace it.

    Attributes
    ----------
    name : str
        As discovery names models: the file's path without its ending, `intent` or `eu/intent`.
    model_dir, output_dir : Path
        Where originals lie, and where releases are published.

    Raises
    ------
    PathRefused
        The name cannot be a model's (it leaves its directory, it is hidden, ...).
    """

    name: str
    model_dir: Path
    output_dir: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_name(self.name))

    def release(self, keys: PublicKeys | None = None) -> Release | None:
        """The current release; None without one.

        Raises
        ------
        FormatError, VersionError, PathRefused
            The manifest cannot be read.
        SignatureError
            `keys` do not accept the signature, or require one that is missing.
        """
        return find_release(self.output_dir, keys)

    def artifact(self, released: ReleasedModel) -> Path | None:
        """The artifact that the release names; None when it serves the original."""
        return None if released.artifact is None else self.output_dir / released.artifact

    def original(self, released: ReleasedModel | None) -> Path:
        """The original's file: the one that the release was made from, if it exists.

        Raises
        ------
        PathRefused
            There is none, or there are several and no release names one.
        """
        return self._chosen(self._candidates(), released)

    def _chosen(self, found: list[Path], released: ReleasedModel | None) -> Path:
        if len(found) == 1:
            return found[0]
        if released is not None:
            named = [path for path in found if path.name == Path(released.source).name]
            source = self.output_dir / released.source
            if named or source.is_file():
                return named[0] if named else source
        raise PathRefused(
            "several files have this model's name" if found else "there is no such model file",
            where=str(self.model_dir / self.name),
            expected=f"one file ending in {ENDINGS}",
            got=" and ".join(path.name for path in found) or "none",
            do="rename all but one"
            if found
            else "put it there, or name another directory with model_dir or ML_MODEL_DIR",
        )

    def original_size_bytes(self, released: ReleasedModel | None) -> int:
        """The size of the original; from the release where the original was not deployed."""
        try:
            return self.original(released).stat().st_size
        except OSError:
            return released.source_size_bytes if released else 0

    def replaced(self, released: ReleasedModel) -> bool:
        """Whether the present original is another file than the release pinned.

        An original that is missing (only the release was deployed) was not replaced.
        """
        try:
            path = self.original(released)
            if path.stat().st_size != released.source_size_bytes:
                return True  # the size differs: no need to hash a large file
            return hash_file(path)[0] != released.source_sha256
        except OSError:
            return False

    def _candidates(self) -> list[Path]:
        below, _, stem = self.name.rpartition("/")
        folders = present_once(self.model_dir / spelled for spelled in spellings(below))
        return sorted(
            path
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
            if looks_like_model(path.name) and model_name(path.name) == stem
        )
