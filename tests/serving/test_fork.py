"""A serving process that is forked while one of its threads does something for the first time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import model_quantization.estimators.restore as restored_module
import model_quantization.loading.pickles.original as original_module
from model_quantization.predictor import opening
from model_quantization.serving.loader import ModelLoader
from model_quantization.serving.selection import Selection
from tests.forking import in_a_fork
from tests.serving.releases import ROWS, Releases

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    made = Releases(tmp_path_factory.mktemp("models"))
    made.prepare(1)
    made.publish(1)
    return made


def first_answer(loader: ModelLoader, releases: Releases) -> bool:
    return list(loader.predict(ROWS)) == list(releases.answers[1])


def ask_the_original(loader: ModelLoader, releases: Releases) -> bool:
    loader.use_quantized_model(False)
    return first_answer(loader, releases)


def restore(loader: ModelLoader, releases: Releases) -> bool:
    loader.use_quantized_model()
    return bool((loader.model._original().predict(ROWS) == releases.answers[1]).all())


def reload(loader: ModelLoader, releases: Releases) -> bool:
    loader.reload()
    return first_answer(loader, releases)


def status(loader: ModelLoader, releases: Releases) -> bool:
    return loader.status()["active"] == "quantized"


@pytest.mark.parametrize(
    ("place", "name", "question"),
    [
        (original_module, "load_original", ask_the_original),
        (restored_module, "restore", restore),
        (opening, "load", first_answer),
        (opening, "load", status),
        (Selection, "choose", reload),
    ],
    ids=["original", "restore", "first answer", "status", "reload"],
)
def test_a_child_that_is_forked_meanwhile_answers(
    releases: Releases,
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    question: Callable[[ModelLoader, Releases], bool],
) -> None:
    """One thread is in the middle of `name`, with every lock on the way there."""
    loader = ModelLoader("intent", releases.models)
    if question in (ask_the_original, restore, reload):
        assert first_answer(loader, releases)
    busy, leave = threading.Event(), threading.Event()
    real, parent = getattr(place, name), os.getpid()

    def slow(*args: Any, **kwargs: Any) -> Any:
        if os.getpid() == parent:
            busy.set()
            assert leave.wait(60)
        return real(*args, **kwargs)

    monkeypatch.setattr(place, name, slow)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(question(loader, releases)))
    thread.start()
    assert busy.wait(60)
    code = in_a_fork(lambda: question(loader, releases))
    leave.set()
    thread.join()
    assert code == 0, "-14 is a child that hangs"
    assert found == [True], "and the thread of the parent goes on"


# Imports of scikit-learn, with their own locks, are in the middle of it here.
SCRIPT = """
import os, sys, threading, time
from model_quantization.predictor import opening
from model_quantization.serving.loader import ModelLoader
from tests.forking import in_a_fork
loader = ModelLoader("intent", sys.argv[1])
{first}
question = lambda: {question}
assert "sklearn" not in sys.modules
thread = threading.Thread(target=question)
thread.start()
codes = []
while thread.is_alive() and len(codes) < 8:
    time.sleep(0.03)
    codes.append(in_a_fork(question))
thread.join()
assert codes and not any(codes), codes
assert "sklearn" in sys.modules
"""


@pytest.mark.parametrize(
    ("first", "question"),
    [
        ("", "loader.use_quantized_model(False) or loader.status()['active'] == 'original'"),
        ("loader.status()", "loader.model._original() is not None"),
    ],
    ids=["original", "restore"],
)
def test_children_of_a_fresh_process(releases: Releases, first: str, question: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(first=first, question=question), str(releases.models)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
