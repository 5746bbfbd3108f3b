"""A run over a directory with every bad input: each is listed with its reason, the rest is done.

The good models were released before; nothing of that release changes but the one that was trained
again in the meantime.
"""

from __future__ import annotations

import bz2
import csv
import lzma
import os
import pickle
import socket
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LogisticRegression, Ridge

from model_quantization.batch.run import BatchResult, run_batch
from model_quantization.config.file import load_config
from model_quantization.errors import (
    HeldOutError,
    HostileFile,
    LimitError,
    PathRefused,
    PredictionError,
    QuantizationError,
    ScanMalformed,
    ScanRefused,
    UnfittedModel,
)
from model_quantization.files.atomic import hash_file
from model_quantization.names import model_name, printable
from model_quantization.outcome import Outcome, Status
from tests.attacks.case import Case, parameters
from tests.attacks.pickles import HOSTILE_PICKLES, MALFORMED, MARKER, TOO_LARGE
from tests.chaos.directory import ModelDirectory, name_of

COLUMNS = [f"x{index}" for index in range(80)]
ROWS = pd.DataFrame(np.random.default_rng(3).normal(size=(120, 80)), columns=COLUMNS)
LABELS = (ROWS["x0"] + ROWS["x1"] > 0).astype(int)
GOOD = LogisticRegression().fit(ROWS, LABELS)
DECOMPRESSED_BYTES = 1 << 22


# What somebody put there. Each maker is given the directory and the name of the model.


def _pickle(raw: bytes, directory: ModelDirectory, name: str) -> None:
    (directory.models / f"{name}.pkl").write_bytes(raw)


def _link(directory: ModelDirectory, name: str) -> None:
    (directory.models / f"{name}.pkl").symlink_to("/etc/hostname")


def _pipe(directory: ModelDirectory, name: str) -> None:
    os.mkfifo(directory.models / f"{name}.pkl")


def _folder(directory: ModelDirectory, name: str) -> None:
    (directory.models / f"{name}.pkl").mkdir()


def _device(directory: ModelDirectory, name: str) -> None:
    # What anybody may make that is neither a file nor a pipe; a device needs root.
    where = os.open(directory.models, os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{where}/{name}.pkl")
    finally:
        os.close(where)


def _twice(directory: ModelDirectory, name: str) -> None:
    for spelling in (name, name.upper()):
        (directory.models / f"{spelling}.pkl").write_bytes(pickle.dumps(GOOD))


def _good(directory: ModelDirectory, name: str) -> None:
    (directory.models / f"{name}.pkl").write_bytes(pickle.dumps(GOOD))


def _rows(table: Any, directory: ModelDirectory, name: str) -> None:
    """A good model with a held-out file that cannot be used."""
    _good(directory, name)
    path = directory.holdout / f"{name}.csv"
    if isinstance(table, bytes):
        path.write_bytes(table)
    else:
        table.to_csv(path, index=False)


def _fewer_columns(directory: ModelDirectory, name: str) -> None:
    model = LogisticRegression().fit(ROWS.to_numpy(), LABELS)
    (directory.models / f"{name}.pkl").write_bytes(pickle.dumps(model))
    np.savez(directory.holdout / f"{name}.npz", X=ROWS.to_numpy()[:, :7], target=LABELS)


def _model(model: Any, directory: ModelDirectory, name: str) -> None:
    (directory.models / f"{name}.pkl").write_bytes(pickle.dumps(model))
    ROWS.assign(target=LABELS).to_csv(directory.holdout / f"{name}.csv", index=False)


def _answers_nan() -> LogisticRegression:
    model = LogisticRegression().fit(ROWS, LABELS)
    model.coef_ = np.full_like(model.coef_, np.nan)
    return model


def _pickles(cases: dict[str, bytes], error: type[QuantizationError]) -> list[Case]:
    """Those that have a number."""
    numbered = {name: raw for name, raw in cases.items() if name[:2].isdecimal()}
    return [
        Case(int(name[:2]), name[3:], error, partial(_pickle, raw))
        for name, raw in numbered.items()
    ]


# Those that name what runs programs or opens files; the others name or do what is not allowed.
RUNS_PROGRAMS = {
    "01 os.system",
    "01 posix.system by pickle itself",
    "02 after the first joblib array",
    "03 zlib",
    "04 lzma",
    "04 xz",
    "05 in an object array",
    "05 in an object array of joblib",
    "08 importlib and getattr",
    "09 joblib.load",
    "09 numpy.load",
    "10 runstring",
    "14 payload then no STOP",
    "14 payload then an invalid opcode",
    "16 FunctionTransformer",
}
_WITH_TARGET = ROWS.assign(target=LABELS)
CASES = [
    *_pickles({name: HOSTILE_PICKLES[name] for name in sorted(RUNS_PROGRAMS)}, HostileFile),
    *_pickles({k: v for k, v in HOSTILE_PICKLES.items() if k not in RUNS_PROGRAMS}, ScanRefused),
    *_pickles(TOO_LARGE, LimitError),
    *_pickles(MALFORMED, ScanMalformed),
    *(
        Case(21, f"bomb of {pack.__module__}", LimitError, partial(_pickle, pack(bytes(30 << 20))),
             "decompresses to more than is allowed")
        for pack in (zlib.compress, bz2.compress, lzma.compress)
    ),
    Case(23, "link", PathRefused, _link, "got a link"),
    Case(24, "pipe", PathRefused, _pipe, "got a pipe"),
    Case(24, "directory", PathRefused, _folder, "got a directory"),
    Case(24, "socket", PathRefused, _device, "got a device or a socket"),
    Case(25, "two\nlines", PathRefused, _good, "a control character"),
    Case(25, "back\\slash", PathRefused, _good, "a backslash"),
    Case(25, "case", PathRefused, _twice, "two files have the same model name"),
    Case(50, "empty", HeldOutError, partial(_rows, b""), "is empty"),
    Case(50, "no rows", HeldOutError, partial(_rows, _WITH_TARGET[:0]), "no rows"),
    Case(50, "no target", HeldOutError, partial(_rows, ROWS), "no target column"),
    Case(50, "other columns", HeldOutError,
         partial(_rows, _WITH_TARGET.rename(columns={"x3": "y3"})), "x3"),
    Case(50, "fewer columns", PredictionError, _fewer_columns, "X has 7 features"),
    Case(50, "target without value", HeldOutError,
         partial(_rows, _WITH_TARGET.assign(target=LABELS.where(LABELS == 1))), "missing in"),
    Case(51, "row in both", HeldOutError,
         partial(_rows, pd.concat([_WITH_TARGET, _WITH_TARGET[:2]])),
         "2 of 92 held-out rows are also calibration rows"),
    Case(53, "unfitted", UnfittedModel, partial(_model, LogisticRegression()), "never fitted"),
    Case(53, "unfitted regressor", UnfittedModel, partial(_model, Ridge()), "never fitted"),
]  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What was released before, and what the run came to."""

    directory: ModelDirectory
    before: BatchResult
    result: BatchResult


def _name(case: Case) -> str:
    """The model's name; odd where the case is about that."""
    return case.name if case.number == 25 else f"bad-{CASES.index(case):03}"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    directory = ModelDirectory(tmp_path_factory.mktemp("attacked"))
    values = yaml.safe_load(directory.config.read_text())
    values["limits"] = {"decompressed_bytes": DECOMPRESSED_BYTES}
    values["overrides"] = [
        {"match": _name(case), "calibration_rows": 30} for case in CASES if case.number == 51
    ]
    directory.config.write_text(yaml.safe_dump(values))
    config = load_config(directory.config, environ={})
    directory.write(range(3), 0)
    before = run_batch(config)
    for case in CASES:
        case.make(directory, _name(case))
    _model(_answers_nan(), directory, "nan")
    _rows(_WITH_TARGET.assign(target=LABELS + 2), directory, "unseen")
    _rows(_WITH_TARGET[LABELS == 1], directory, "one-class")
    directory.write((1,), 1)
    return Night(directory, before, run_batch(config))


def _outcomes(night: Night, case: Case) -> list[Outcome]:
    name = printable(_name(case)).casefold()
    return [o for o in night.result.outcomes if model_name(o.name).casefold() == name]


@pytest.mark.parametrize("case", parameters(CASES))
def test_it_is_listed_with_its_reason(night: Night, case: Case) -> None:
    outcomes = _outcomes(night, case)
    assert len(outcomes) == (2 if case.name == "case" else 1)
    for outcome in outcomes:
        assert outcome.reason == case.error.code, outcome.note
        assert outcome.status in (Status.REFUSED, Status.FAILED)
        assert case.says in outcome.note and outcome.note.isprintable()
        assert outcome.artifact is None
        entry = night.result.release.models[outcome.name]
        assert entry.artifact is None and entry.note == outcome.note
        assert not entry.source_sha256 or outcome.status is Status.FAILED
        with (night.directory.output / "summary.csv").open(newline="") as stream:
            rows = {row["model"]: row for row in csv.DictReader(stream)}
        assert rows[outcome.name]["verdict"] == str(outcome.status)
        assert outcome.note[:40] in rows[outcome.name]["note"]


@pytest.mark.bad_input(50)
def test_labels_that_the_model_has_never_seen_are_an_error_of_the_file(night: Night) -> None:
    outcome = next(outcome for outcome in night.result.outcomes if outcome.name == "unseen")
    assert (outcome.status, outcome.artifact) == (Status.FAILED, None)
    assert outcome.evaluation["error"]["name"] == "HeldOutError"


@pytest.mark.bad_input(50)
def test_rows_that_prove_little_are_no_error(night: Night) -> None:
    outcome = next(outcome for outcome in night.result.outcomes if outcome.name == "one-class")
    assert outcome.status in (Status.PUBLISHED, Status.FALLBACK) and outcome.metric
    assert outcome.score_before == pytest.approx(outcome.score_after, abs=0.05)


@pytest.mark.bad_input(54)
def test_a_model_that_predicts_nan_stays_as_it_is(night: Night) -> None:
    outcome = next(outcome for outcome in night.result.outcomes if outcome.name == "nan")
    assert outcome.artifact is None and "NaN" in outcome.note
    assert (outcome.status, outcome.reason) in (
        (Status.FALLBACK, "original_nan"), (Status.FAILED, PredictionError.code),
    )  # fmt: skip


def test_nothing_ran_and_nothing_good_was_touched(night: Night) -> None:
    assert not Path(MARKER).exists()
    before, after = night.before.release, night.result.release
    assert after.number == before.number + 1
    for number in range(3):
        name = name_of(number)
        assert after.models[name].artifact is not None
        assert (after.models[name] == before.models[name]) == (number != 1)
        artifact = after.artifact_path(name)
        assert artifact is not None
        assert hash_file(artifact)[0] == after.models[name].artifact_sha256


@pytest.mark.bad_input(55)
def test_nothing_in_the_output_directory_is_a_model(night: Night) -> None:
    # It lies below the models, which is the usual place.
    assert night.directory.output.parent == night.directory.models
    (night.directory.output / "stray.pkl").write_bytes(pickle.dumps(GOOD))
    try:
        result = run_batch(load_config(night.directory.config, environ={}))
    finally:
        (night.directory.output / "stray.pkl").unlink()
    assert "quantized" not in " ".join(outcome.name for outcome in result.outcomes)


@pytest.mark.bad_input(25)
def test_an_output_directory_that_is_a_link_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    directory = ModelDirectory(tmp_path / "run", tmp_path / "link")
    directory.write((1,), 0)
    with pytest.raises(PathRefused, match="not used as output"):
        run_batch(load_config(directory.config, environ={}))
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.bad_input(26)
def test_a_file_swapped_after_its_scan_is_done_as_it_was_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from model_quantization.pipeline import stages as pipeline

    directory = ModelDirectory(tmp_path)
    directory.write((1,), 0)
    scanned = hash_file(directory.path(1))[0]
    real = pipeline.ask_original

    def swap(*arguments: Any) -> Any:
        directory.path(1).write_bytes(HOSTILE_PICKLES["01 os.system"])
        return real(*arguments)

    config = load_config(directory.config, environ={})
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "ask_original", swap)
        entry = run_batch(config).release.models[name_of(1)]
    assert entry.artifact is not None and entry.source_sha256 == scanned
    (outcome,) = run_batch(config).outcomes  # what was swapped in is looked at the next night
    assert (outcome.status, outcome.reason) == (Status.REFUSED, HostileFile.code)
    assert not Path(MARKER).exists()
