"""Names in two spellings: every way to a model finds it, whichever one its file has."""

from __future__ import annotations

import json
import pickle
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from model_quantization.batch.discovery import discover
from model_quantization.batch.plan import plan_batch
from model_quantization.batch.run import run_batch
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import FormatError, HeldOutError, PathRefused
from model_quantization.evaluation.rows.heldout import find_held_out
from model_quantization.names import check_name, matches, model_name, normalized, spellings
from model_quantization.release.manifest import read_release
from model_quantization.serving.loader import ModelLoader
from model_quantization.serving.remote_files import served_files

COMPOSED = unicodedata.normalize("NFC", "región/präfix")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
SPELLINGS = pytest.mark.parametrize("spelled", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
CALLED = pytest.mark.parametrize("called", [COMPOSED, DECOMPOSED], ids=["NFC", "NFD"])
ROWS = np.random.default_rng(0).normal(size=(60, 3))


def put_model(root: Path, name: str) -> Path:
    path = root / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(LogisticRegression().fit(ROWS, ROWS[:, 0] > 0)))
    return path


def put_rows(root: Path, name: str) -> Path:
    path = root / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    frame.assign(target=ROWS[:, 0] > 0).to_parquet(path)
    return path


def test_the_two_spellings_are_not_equal() -> None:
    assert COMPOSED != DECOMPOSED


@given(st.text(max_size=20))
def test_every_spelling_of_a_name_is_one_name(name: str) -> None:
    forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    assert {normalized(form) for form in forms} == {normalized(name)}
    assert forms <= set(spellings(name)) if "/" not in name else True
    assert spellings(name)[0] == normalized(name)
    assert len({model_name(f"{form}.pkl") for form in forms}) == 1


@given(st.text(st.characters(codec="ascii"), max_size=20))
def test_an_ascii_name_has_one_spelling(name: str) -> None:
    assert spellings(name) == (name,)


@SPELLINGS
def test_a_part_may_be_spelled_otherwise_than_the_next(spelled: str) -> None:
    folder, name = COMPOSED.split("/")[0], DECOMPOSED.split("/")[1]
    assert f"{folder}/{name}" in spellings(spelled)


@SPELLINGS
@CALLED
def test_patterns(spelled: str, called: str) -> None:
    assert matches(spelled, called)
    assert matches(spelled, called.split("/", maxsplit=1)[0] + "/*")
    assert not matches(spelled, called.split("/", maxsplit=1)[0])


@SPELLINGS
def test_the_name_that_may_be_published_is_composed(spelled: str) -> None:
    assert check_name(spelled) == COMPOSED
    with pytest.raises(PathRefused):
        check_name(f"objects/{spelled}")


@SPELLINGS
@CALLED
def test_a_loader_finds_the_file(tmp_path: Path, spelled: str, called: str) -> None:
    path = put_model(tmp_path, spelled)
    files = served_files(called, tmp_path)
    assert files.name == COMPOSED
    assert files.original(None).samefile(path)
    assert ModelLoader(called, tmp_path).status()["active"] == "original"


@SPELLINGS
@CALLED
def test_held_out_rows_are_found(tmp_path: Path, spelled: str, called: str) -> None:
    path = put_rows(tmp_path, spelled)
    found = find_held_out(tmp_path, called)
    assert found is not None
    assert found.samefile(path)


def test_two_held_out_files_of_one_name_are_refused(tmp_path: Path) -> None:
    put_rows(tmp_path, COMPOSED)
    put_rows(tmp_path, DECOMPOSED)
    if len(list(tmp_path.rglob("*.parquet"))) == 1:
        pytest.skip("this file system keeps one file for both spellings")
    with pytest.raises(HeldOutError, match="more than one file"):
        find_held_out(tmp_path, COMPOSED)


@SPELLINGS
@CALLED
def test_from_the_file_to_the_answer(tmp_path: Path, spelled: str, called: str) -> None:
    put_model(tmp_path / "models", spelled)
    put_rows(tmp_path / "rows", DECOMPOSED if spelled == COMPOSED else COMPOSED)
    config = RunConfig(
        model_dir=str(tmp_path / "models"),
        output_dir=str(tmp_path / "out"),
        holdout_dir=str(tmp_path / "rows"),
        only=(called,),
        bit_depth="exact",
        gate={"min_size_reduction": -10.0},
        overrides=[{"match": called, "weight_threshold": 0.5}],
        n_workers=1,
    )
    (job,) = plan_batch(config).jobs
    assert job.name == COMPOSED
    assert job.held_out is not None
    assert job.settings.weight_threshold == 0.5
    run_batch(config)
    assert list(read_release(tmp_path / "out").models) == [COMPOSED]
    assert plan_batch(config).jobs == (), "the next run knows it again"
    loader = ModelLoader(called, tmp_path / "models", tmp_path / "out")
    assert loader.status()["active"] == "quantized", loader.status()
    assert discover(tmp_path / "models", tmp_path / "out").models[0].name == COMPOSED


def test_a_release_that_was_made_with_the_other_spelling_is_read(tmp_path: Path) -> None:
    put_model(tmp_path / "models", COMPOSED)
    config = RunConfig(
        model_dir=str(tmp_path / "models"), output_dir=str(tmp_path / "out"), bit_depth="exact",
        gate={"min_size_reduction": -10.0, "publish_unverified": True}, n_workers=1,
    )  # fmt: skip
    run_batch(config)
    manifest = tmp_path / "out" / "manifest.json"
    record = json.loads(manifest.read_text())
    entry = record["models"].pop(COMPOSED)
    manifest.write_text(json.dumps(record | {"models": {DECOMPOSED: entry}}))
    assert list(read_release(tmp_path / "out").models) == [COMPOSED]
    manifest.write_text(json.dumps(record | {"models": {DECOMPOSED: entry, COMPOSED: entry}}))
    with pytest.raises(FormatError, match="each name once"):
        read_release(tmp_path / "out")
