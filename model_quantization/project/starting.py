"""Starts a project: configuration, deployments, directories for models and rows, a CI file."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from model_quantization.errors import ConfigError
from model_quantization.files.atomic import write_atomically
from model_quantization.version import NOT_INSTALLED, installed_version

# A name in `files/` -> its name in a project: a package holds no hidden files.
_HIDDEN = {"github": ".github", "gitignore": ".gitignore"}
REQUIREMENTS = "requirements.txt"


def start_project(directory: Path) -> tuple[list[Path], list[Path]]:
    """Write the files of a new project and return (written, kept): files that existed are kept.

    Parameters
    ----------
    directory : Path
        Made if it is missing.

    Raises
    ------
    ConfigError
        It is a file, or it is inside an installed package.
    ReleaseError
        A file cannot be written: full disk, read-only directory.
    """
    if directory.exists() and not directory.is_dir():
        raise ConfigError("not a directory", where=str(directory), do="name another one")
    if {"site-packages", "dist-packages"} & {*directory.absolute().parts}:
        raise ConfigError(
            "a project cannot lie inside installed packages",
            where=str(directory),
            do="name a directory of your own",
        )
    written, kept = [], []
    for name, content in _contents():
        path = directory / name
        if path.exists():
            kept.append(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
            written.append(path)
    return written, kept


def _contents() -> Iterator[tuple[str, bytes]]:
    """The path of each file in a project, and its content."""
    yield from sorted(_below(files("model_quantization.project") / "files", ""))
    version = installed_version()
    pin = "" if version == NOT_INSTALLED else f"=={version}"
    yield REQUIREMENTS, f"model-quantization[all]{pin}\n".encode()


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = prefix + _HIDDEN.get(entry.name, entry.name)
        if entry.is_dir():
            yield from _below(entry, f"{name}/")
        else:
            yield name, entry.read_bytes()
