"""The benchmark of other libraries: those that are missing, bounds and agreement."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_SET = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}

from benchmarks import page, page_tables, peer_models, peers, peers_page  # noqa: E402

for _name, _value in _SET.items():  # the benchmark sets threads for its own process
    if _value is None:
        os.environ.pop(_name, None)


class Halves:
    """A model of one column: whether it is above a half."""

    classes_ = np.array([False, True])

    def predict(self, rows: Any) -> Any:
        return rows[:, 0] > 0.5


def case(multiplications: int = 0) -> peer_models.Case:
    rows = np.random.default_rng(0).uniform(size=(30, 2))
    return peer_models.Case(Halves(), rows, rows[:, 0] > 0.5, rows, multiplications)


def test_missing_peers_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda module: None if module == "faiss" else object())
    assert peers.missing() == ["faiss SQ8"]
    assert peers.command(peers.missing()).endswith("constraints.txt faiss-cpu")
    assert peers.command([]) == ""
    both = peers.command(["ONNX Runtime", "ONNX Runtime int8"])
    assert both.split().count("onnxruntime") == 1


def test_every_peer_is_in_the_extra() -> None:
    import tomllib

    project = tomllib.loads((Path(page.PROJECT) / "pyproject.toml").read_text("utf-8"))
    extra = " ".join(project["project"]["optional-dependencies"]["bench"])
    for _, packages, _ in peer_models.PEERS.values():
        assert all(f"{package}>=" in extra for package in packages.split())


def test_bounds_are_those_of_reading_and_of_multiplying() -> None:
    assert peers.bound(case(), {"bytes": 1e9, "multiplications": 1e10}) == {}
    found = peers.bound(case(50_000), {"bytes": 1e9, "multiplications": 1e10})
    assert found == {"one_row_us": 50.0, "batch_us_per_row": 5.0}
    here = peers.limits()
    assert here["bytes"] > 0 and here["multiplications"] > 0


def test_agreement_is_of_labels_or_of_numbers() -> None:
    assert peers.agreement(np.array([[1], [2]]), np.array([1, 3])) == 0.5
    numbers = np.array([1.0, 3.0])
    assert peers.agreement(numbers + 0.5, numbers) == 0.5


def test_medians_let_calls_take_turns() -> None:
    asked: list[tuple[str, int]] = []
    found = peers.medians(
        {name: (lambda at, name=name: asked.append((name, at))) for name in "ab"}, 0.0, 2
    )
    assert set(found) == {"a", "b"} and min(found.values()) >= 0.0
    first = [("a", 0), ("b", 0)]  # once each before anything is measured
    assert asked[:6] == [*first, ("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_what_is_measured_of_a_model_fills_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Any:
        raise ValueError("it takes\nno such model")

    monkeypatch.setattr(
        peers,
        "PEERS",
        {
            "other": (("numpy",), "numpy", lambda given: given.model.predict),
            "choosy": (("numpy",), "numpy", refuse),
            "absent": (("no_such_module",), "absent", refuse),
        },
    )

    class Same:
        def __init__(self, depth: Any) -> None:
            self.depth = depth

        def quantize_model(self, model: Any) -> tuple[Any, Any]:
            return model, {}

    monkeypatch.setattr(peers, "ModelQuantizer", Same)
    limits = {"bytes": 1e9, "multiplications": 1e10}
    figures = peers.measure(case(1000), 0.0, limits)
    assert figures["refused"] == {"choosy": "ValueError: it takes"}
    assert set(figures["one_row_us"]) == {"scikit-learn", *peers.OURS, "other"}
    assert set(figures["agreement"].values()) == {1.0}
    assert figures["times_the_bound"]["one_row_us"].keys() == figures["one_row_us"].keys()
    found = {"limits": limits, "missing": ["absent"], "models": {"X": figures}}
    text = peers_page.table(found, page_tables.markdown, page_tables.number)
    assert "| other |" in text and "| bound |" in text and "Not installed there: absent." in text
    assert text.count("| scikit-learn |") == 3


def test_models_are_measured_anew_beside_what_is_known_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "CASES", {"X": case, "Y": case})
    monkeypatch.setattr(peers, "measure", lambda *_: {"one_row_us": {}, "refused": {}})
    monkeypatch.setattr(peers, "show", lambda *_: None)
    monkeypatch.setattr(peers.os, "sched_setaffinity", lambda *_: None, raising=False)
    written = tmp_path / "peers.json"
    for arguments in (["--models", "X"], ["--models", "Y", "--update"]):
        monkeypatch.setattr(sys, "argv", ["peers", *arguments, "--output", str(written)])
        peers.main()
    assert set(json.loads(written.read_text("utf-8"))["models"]) == {"X", "Y"}


@pytest.mark.skipif(not find_spec("faiss"), reason="faiss is not installed")
def test_faiss_votes_among_neighbours() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rows = np.random.default_rng(0).uniform(size=(200, 4))
    labels = (rows[:, 0] > 0.5).astype(int)
    model = KNeighborsClassifier(5).fit(rows, labels)
    given = peer_models.Case(model, rows, labels, rows)
    assert peers.agreement(peer_models.faiss(given)(rows), model.predict(rows)) > 0.95
