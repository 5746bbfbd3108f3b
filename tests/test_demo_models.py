"""The demo's training script: honest splits, and texts on a machine without a network too."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

import demo_texts
import train_demo_models as demo

from model_quantization.evaluation.rows.expected import ExpectedRows
from model_quantization.evaluation.rows.heldout import read_held_out


@pytest.fixture(scope="module")
def docstrings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, demo_texts.Texts]:
    """The texts that a machine without a network gets."""

    def offline(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="ERROR: no index\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_texts.subprocess, "run", offline)
        return demo_texts.read_texts(None, tmp_path_factory.mktemp("downloads"))


def test_texts_without_a_network(docstrings: dict[str, demo_texts.Texts]) -> None:
    assert set(docstrings) == {"intent", "sentiment", "email"}
    for texts in docstrings.values():
        assert texts.source == "docstrings"
        assert len(texts.texts) == len(set(texts.texts)) > 1000
        assert min(texts.labels.count(label) for label in set(texts.labels)) > 50


def test_texts_from_a_folder(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))

    pairs = {part: [[f"{part} text", "greet"]] for part in ("train", "val", "test")}
    write("clinc150_data_full.json.gz", json.dumps(pairs))
    write("movie_sentiment.csv.gz", 'id,sentiment,text\n1,2.2,"good, yes"\n2,-1,bad\n')
    write("sms_spam.csv.gz", ",spam,text\n0,0,hello\n1,1,win\n2,0,hello\n")
    found = demo_texts.read_texts(tmp_path, tmp_path)
    assert found["intent"].texts == ["train text", "val text", "test text"]
    assert found["sentiment"].labels == ["positive", "negative"]
    assert found["email"].texts == ["hello", "win"]  # a text that comes twice is one row


def test_no_held_out_text_was_trained_on(docstrings: dict[str, demo_texts.Texts]) -> None:
    split = demo.text_split(docstrings["intent"], 0.6, copies=2)
    held_out = list(split.held_out["text"])
    real = len(docstrings["intent"].texts) - len(split.train)
    assert len(held_out) == 3 * real == len(split.held_out_target)
    assert not set(split.train) & set(held_out[:real])
    mistyped = [sorted(text) for text in held_out[real : 2 * real]]
    assert mistyped == [sorted(text) for text in held_out[:real]]


def test_no_held_out_row_was_trained_on_and_the_first_are_as_measured() -> None:
    frame, target = datasets.load_wine(return_X_y=True, as_frame=True)
    split = demo.table_split(frame, target, copies=3, noise=0.05)
    kept = len(frame) - len(split.train)
    assert len(split.held_out) == 3 * kept == len(split.held_out_target)
    rows = {tuple(row) for row in frame.to_numpy()}
    trained = {tuple(row) for row in split.train.to_numpy()}
    measured = {tuple(row) for row in split.held_out.to_numpy()[:kept]}
    assert measured <= rows and not measured & trained
    again = demo.table_split(frame, target, copies=3, noise=0.05)
    assert np.array_equal(split.held_out.to_numpy(), again.held_out.to_numpy())


def test_held_out_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    for trained in demo.table_models():
        stem = Path(trained.file).stem
        path = demo.save_held_out(trained.split, tmp_path / stem)
        names = getattr(trained.split.held_out, "columns", None)
        rows = read_held_out(
            path, expected=ExpectedRows(feature_names=None if names is None else tuple(names))
        )
        assert len(rows) == len(trained.split.held_out), stem


def test_texts_survive_the_file(docstrings: dict[str, demo_texts.Texts], tmp_path: Path) -> None:
    split = demo.text_split(docstrings["email"], 0.6, copies=1)
    path = demo.save_held_out(split, tmp_path / "email")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        written = list(csv.DictReader(stream))
    assert [row["text"] for row in written] == list(split.held_out["text"])
    assert [row["target"] for row in written] == split.held_out_target


def test_every_model_has_a_name_of_its_own(docstrings: dict[str, demo_texts.Texts]) -> None:
    files = [
        trained.file
        for part in (demo.text_models(docstrings), demo.digit_models(), demo.table_models())
        for trained in part
    ]
    assert len(files) == 17 and len({Path(file).stem for file in files}) == 17
    assert {"intent.pkl", "sentiment.pkl", "email.joblib"} <= set(files)
    assert {Path(file).suffix for file in files} == {".pkl", ".joblib", ".sav"}
