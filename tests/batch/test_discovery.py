"""Which files are models, and which are refused."""

import os
from pathlib import Path

import pytest

from model_quantization.batch.discovery import Discovery, discover
from model_quantization.errors import PathRefused
from model_quantization.names import check_name
from model_quantization.outcome import Status


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _discover(root: Path) -> Discovery:
    return discover(root, root / "quantized")


def _names(root: Path) -> list[str]:
    return [model.name for model in _discover(root).models]


def _refused(root: Path) -> dict[str, str]:
    return {outcome.name: outcome.note for outcome in _discover(root).refused}


def test_names_are_paths_without_their_ending_in_order(tmp_path: Path) -> None:
    _touch(tmp_path, "b.pkl", "a.joblib", "eu/a.sav", "c.pickle.gz", "v1.2.PKL", "d.joblib.xz")
    _touch(tmp_path, "notes.txt", "model_loader.py", "x.qma", "pkl", "held.csv.gz")
    assert _names(tmp_path) == ["a", "b", "c", "d", "eu/a", "v1.2"]
    assert _refused(tmp_path) == {}


@pytest.mark.bad_input(55)
def test_hidden_files_and_outputs_are_passed_over(tmp_path: Path) -> None:
    _touch(
        tmp_path, "a.pkl", ".hidden.pkl", ".git/b.pkl", "quantized/c.pkl", "old/d.pkl", "e/f.pkl"
    )
    (tmp_path / "old" / "manifest.json").write_text('{"format": "qma-release", "version": 1}')
    (tmp_path / "e" / "manifest.json").write_text('{"format": "something else"}')
    assert _names(tmp_path) == ["a", "e/f"]


def test_the_model_directory_may_be_reached_through_a_link(tmp_path: Path) -> None:
    _touch(tmp_path, "real/a.pkl", "real/quantized/b.pkl")
    (tmp_path / "link").symlink_to("real")
    assert _names(tmp_path / "link") == ["a"]


@pytest.mark.bad_input(23, 24)
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "a.pkl")
    os.mkfifo(tmp_path / "pipe.pkl")
    (tmp_path / "directory.pkl").mkdir()
    (tmp_path / "directory.pkl" / "inner.pkl").touch()
    (tmp_path / "link.pkl").symlink_to("/etc/hostname")
    (tmp_path / "broken.pkl").symlink_to("nowhere")
    (tmp_path / "linked").symlink_to(tmp_path)
    found = _discover(tmp_path)
    assert [model.name for model in found.models] == ["a"]
    assert [(o.name, o.status, o.reason) for o in found.refused] == [
        (name, Status.REFUSED, "path_refused")
        for name in ("broken.pkl", "directory.pkl", "link.pkl", "pipe.pkl")
    ]
    notes = _refused(tmp_path)
    assert "expected a plain file, got a link" in notes["link.pkl"]
    assert "got a directory" in notes["directory.pkl"]
    assert "got a pipe" in notes["pipe.pkl"]


def test_two_files_of_one_name_are_both_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "a.pkl", "a.joblib", "b.pkl", "Ä.pkl", "eu/b.pkl")
    (tmp_path / "A\u0308.pkl").touch()  # the same letter, written as two characters
    assert _names(tmp_path) == ["b", "eu/b"]
    notes = _refused(tmp_path)
    assert set(notes) == {"a.pkl", "a.joblib", "Ä.pkl", "A\u0308.pkl"}
    assert "got a.pkl and a.joblib; rename or remove all but one" in notes["a.pkl"]


@pytest.mark.bad_input(25)
def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "Intent.pkl", "intent.pkl", "x.pkl")
    assert _names(tmp_path) == ["x"]
    assert set(_refused(tmp_path)) == {"Intent.pkl", "intent.pkl"}


@pytest.mark.bad_input(25)
def test_names_that_cannot_name_a_file_are_refused_on_one_line(tmp_path: Path) -> None:
    _touch(tmp_path, "a.pkl", "new\nline.pkl", "back\\slash.pkl", "objects/x.pkl", "a.json/x.pkl")
    _touch(tmp_path, "n" * 220 + ".pkl")
    (tmp_path / os.fsdecode(b"\xff.pkl")).touch()
    assert _names(tmp_path) == ["a"]
    notes = _refused(tmp_path)
    assert {"new\\nline.pkl", "\\udcff.pkl", "objects/x.pkl", "a.json/x.pkl"} <= set(notes)
    assert len(notes) == 6
    assert all(note.isprintable() and "rename the file" in note for note in notes.values())


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/../b", ".x", "a\0b", "/a", "a//b", "stats/a"]
)
@pytest.mark.bad_input(25)
def test_check_name_refuses(name: str) -> None:
    with pytest.raises(PathRefused, match="this cannot be a model's name"):
        check_name(name)


def test_a_directory_that_cannot_be_read_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "a.pkl", "locked/b.pkl")
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert _names(tmp_path) == ["a"]
    assert "this directory cannot be read" in _refused(tmp_path)["locked"]
