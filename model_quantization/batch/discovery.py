"""Finds the models of a directory and their names; opens no file.

A model is a plain file ending in one of `SUFFIXES`, optionally compressed (`.pkl.gz`), in the
directory or below it. Its name is its path without the ending: `intent`, `eu/intent`. Hidden files
and directories are skipped, and so is every output directory: its path or its manifest identifies
it.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_quantization.errors import FormatError, PathRefused, QuantizationError
from model_quantization.files.atomic import read_json_object
from model_quantization.limits import Limits
from model_quantization.names import check_name, looks_like_model, model_name, normalized, printable
from model_quantization.outcome import Outcome, Status, failed_outcome
from model_quantization.release.manifest import FORMAT, MANIFEST


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model's name and file."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Discovery:
    """The models of a directory, in the order of names.

    Attributes
    ----------
    models : tuple of ModelFile
    refused : tuple of Outcome
        Files with a model's ending that cannot be used, each with the reason.
    """

    models: tuple[ModelFile, ...]
    refused: tuple[Outcome, ...]


def discover(model_dir: Path, output_dir: Path) -> Discovery:
    """The models below `model_dir`, without anything in `output_dir` or another release."""
    root = model_dir.resolve()
    models: dict[str, list[ModelFile]] = defaultdict(list)
    refused = []
    for path in _candidates(root, output_dir.resolve()):
        relative = path.relative_to(root).as_posix()
        try:
            _check_plain(path)
            model = ModelFile(check_name(model_name(relative)), path)
        except QuantizationError as error:
            refused.append(refusal(relative, path, error))
        else:
            models[_alike(model.name)].append(model)
    for group in models.values():
        if len(group) > 1:
            refused += [_ambiguous(model, group, root) for model in group]
    unique = [group[0] for group in models.values() if len(group) == 1]
    return Discovery(
        models=tuple(sorted(unique, key=lambda model: model.name)),
        refused=tuple(sorted(refused, key=lambda outcome: outcome.name)),
    )


def refusal(relative: str, path: Path, error: QuantizationError) -> Outcome:
    """The outcome of a file that was not opened; its name is escaped."""
    return failed_outcome(printable(relative), printable(str(path)), error, status=Status.REFUSED)


def _candidates(root: Path, output_dir: Path) -> Iterator[Path]:
    """Every path with a model's ending, and every directory that cannot be read."""
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except PermissionError:
            yield directory
            continue
        for entry in found:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if looks_like_model(entry.name):
                yield path
            elif entry.is_dir(follow_symlinks=False) and not _is_output(path, output_dir):
                waiting.append(path)


def _is_output(directory: Path, output_dir: Path) -> bool:
    if directory == output_dir:
        return True
    try:
        record = read_json_object(directory / MANIFEST, Limits().manifest_bytes)
    except (OSError, FormatError):
        return False
    return record.get("format") == FORMAT


def _check_plain(path: Path) -> None:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode) and not looks_like_model(path.name):
        raise PathRefused("this directory cannot be read", do="allow it, or move it elsewhere")
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe"}
    raise PathRefused(
        "not opened",
        expected="a plain file",
        got=kinds.get(stat.S_IFMT(mode), "a device or a socket"),
        do="put the model file itself here",
    )


def _alike(name: str) -> str:
    """A key that is equal for names that some file systems do not tell apart."""
    return normalized(name).casefold()


def _ambiguous(model: ModelFile, group: list[ModelFile], root: Path) -> Outcome:
    relative = model.path.relative_to(root).as_posix()
    others = [item.path.name for item in group if item is not model]
    return refusal(
        relative,
        model.path,
        PathRefused(
            "two files have the same model name",
            got=f"{model.path.name} and {', '.join(others)}",
            do="rename or remove all but one",
        ),
    )
