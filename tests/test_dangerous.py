"""A hostile file is never explained away: its names are listed, and nobody is told to trust it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model_quantization.dangerous import DO_NOT_OPEN, danger_of, dangerous_names, warning
from model_quantization.errors import HostileFile, QuantizationError, ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles.scan import scan
from model_quantization.outcome import Outcome, Status, failed_outcome
from model_quantization.report.page.next_step import next_step
from model_quantization.report.summary import advice
from model_quantization.trust import TrustPolicy, how_to_trust, parse_allowed_names


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("os:system", "runs programs"),
        ("posix:system", "runs programs"),
        ("subprocess:Popen", "runs programs"),
        ("builtins:eval", "runs programs"),
        ("builtins:getattr", "runs programs"),
        ("importlib._bootstrap:_call", "runs programs"),
        ("types:CodeType", "runs programs"),
        ("builtins:open", "opens files"),
        ("pathlib:Path.unlink", "opens files"),
        ("numpy:memmap", "opens files"),
        ("socket:socket", "reaches the network"),
        ("urllib.request:urlopen", "reaches the network"),
        ("collections:OrderedDict", ""),
        ("my_os:system", ""),
        ("osmium:Reader", ""),
        ("builtins:evaluate", ""),
    ],
)
def test_what_a_name_does(name: str, does: str) -> None:
    assert danger_of(name) == does


def test_nothing_on_the_allow_list_is_called_dangerous() -> None:
    text = (
        Path(sys.modules[TrustPolicy.__module__].__file__).parent / "allowed_names.txt"
    ).read_text()
    allowed = parse_allowed_names(text)
    # One is allowed for one use only, which no list of names can say; see its head.
    found = {name for names in allowed.values() for name in names if danger_of(name)}
    assert found <= {"builtins:getattr"}


def test_every_python_module_of_the_list_that_is_here_has_its_own_name() -> None:
    """A name of the standard library that is misspelt would warn of nothing."""
    elsewhere = {"nt", "commands", "imp", "cPickle", "urllib2", "httplib", "telnetlib", "nntplib",
                 "distutils", "_posixsubprocess"}  # fmt: skip
    known = sys.stdlib_module_names
    third = {"cffi", "dill", "joblib", "pip", "setuptools", "numpy", "torch", "pandas", "requests",
             "aiohttp", "httpx", "paramiko", "fsspec", "boto3", "botocore"}  # fmt: skip
    for name in dangerous_names():
        top = name.partition(":")[0].partition(".")[0]
        assert top in known or top in elsewhere | third, name


def test_the_warning_says_everything_that_the_file_does() -> None:
    assert warning(["os:system"]) == "this file runs programs when it is opened: do not open it"
    found = warning(["socket:socket", "builtins:open", "own:Class", "builtins:eval"])
    assert found == (
        "this file runs programs, opens files and reaches the network when it is opened: "
        "do not open it"
    )
    assert warning(["own:Class"]) == ""
    assert how_to_trust("own:Class", "os:system") == warning(["os:system"])


def refused(content: bytes, tmp_path: Path) -> ScanRefused:
    path, workspace = tmp_path / "model.pkl", tmp_path / "work"
    path.write_bytes(content)
    workspace.mkdir(mode=0o700)
    with pytest.raises(ScanRefused) as caught:
        scan(path, TrustPolicy(), Limits(), workspace)
    return caught.value


class Cleaner:
    """A class that only this file has."""


def hostile_beside(count: int) -> bytes:
    """A pickle with many names of a user and, after all of them, one that runs a program."""
    names = b"".join(b"cown.module%d\nThing%d\n0" % (n, n) for n in range(count))
    return names + b"cposix\nsystem\n(S'true'\ntR."


@pytest.mark.parametrize("count", [0, 2, 60])
def test_one_hostile_name_among_many_decides(tmp_path: Path, count: int) -> None:
    error = refused(hostile_beside(count), tmp_path)
    assert type(error) is HostileFile
    assert error.do == warning(["posix:system"])
    outcome = failed_outcome("model", "model.pkl", error, status=Status.REFUSED)
    step = next_step(outcome)
    assert step.text.startswith("Do not open this file")
    assert step.configuration == ""
    (sentence,) = advice([outcome])
    assert DO_NOT_OPEN in sentence
    assert "trusted" not in sentence


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()


def step_of(error: QuantizationError) -> tuple[str, str]:
    outcome: Outcome = failed_outcome("model", "model.pkl", error, status=Status.REFUSED)
    step = next_step(outcome)
    return step.text, step.configuration


def test_the_recipe_names_every_class_of_the_user(tmp_path: Path) -> None:
    content = b"(cown.text\nCleaner\ncown.more\nScaler\nl."
    text, configuration = step_of(refused(content, tmp_path))
    assert "trust them by name" in text
    assert configuration == "trusted:\n  - own.text:Cleaner\n  - own.more:Scaler\n"
    text, configuration = step_of(refused(b"cown.text\nCleaner\n.", tmp_path / "second"))
    assert configuration == "trusted:\n  - own.text:Cleaner\n"


@pytest.mark.parametrize(
    "content",
    [b"c__main__\nCleaner\n.", b"ccloudpickle.cloudpickle\n_make_function\n."],
    ids=["notebook", "cloudpickle"],
)
def test_what_cannot_be_trusted_by_name_gets_the_remedy(tmp_path: Path, content: bytes) -> None:
    text, configuration = step_of(refused(content, tmp_path))
    assert "into a module" in text
    assert "save the model again" in text
    assert configuration == ""
