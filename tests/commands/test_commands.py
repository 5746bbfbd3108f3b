"""`python -m model_quantization`: what each command prints, and its exit code."""

from __future__ import annotations

import json
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from model_quantization.batch.run import run_batch
from model_quantization.commands.application import main
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import UntrustedTypeError
from model_quantization.kernels.compiled import instruction_set
from model_quantization.maintenance import machine_check
from model_quantization.release.manifest import read_release

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ML_PUBLIC_KEYS", "ML_WORKER_USER", "ML_WORKER_FILTERS"):
        monkeypatch.delenv(variable, raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def write_model(models: Path, name: str, seed: int = 0) -> None:
    rows = np.random.default_rng(seed).normal(size=(200, 60))
    model = LogisticRegression().fit(rows, np.where(rows[:, 0] > 0, "yes", "no"))
    (models / f"{name}.pkl").write_bytes(pickle.dumps(model))


def publish(models: Path, **changes: Any) -> None:
    values: dict[str, Any] = {
        "model_dir": str(models),
        "latency_seconds": 0,
        "gate": {
            "publish_unverified": True,
            "min_size_reduction": -5,
            "allowed_drop": 0.3,
            "allowed_ranking_drop": 0.3,
        },
    }
    run_batch(RunConfig.model_validate(values | changes))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed release of two models, and the keys."""
    models = tmp_path_factory.mktemp("shop")
    assert main(["keygen", str(models / "key.pem")]) == 0
    for name in ("a", "b"):
        write_model(models, name)
    rows = np.random.default_rng(5).normal(size=(200, 60))
    held_out = models / "held_out"
    held_out.mkdir()
    for name in ("a", "b"):
        truth = np.where(rows[:, 0] > 0, "yes", "no")
        np.savez(held_out / f"{name}.npz", X=rows, target=truth)
    publish(models, signing_key=str(models / "key.pem"), holdout_dir=str(held_out))
    return models


@pytest.fixture
def models(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop, tmp_path / "models"))


def artifact_of(models: Path, name: str) -> Path:
    path = read_release(models / "quantized").artifact_path(name)
    assert path is not None
    return path


# --- verify -----------------------------------------------------------------------------------


def test_a_whole_release(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = read_release(models / "quantized").key_id
    code, out, err = run(
        capsys, "verify", models / "quantized", "--public-key", models / "key.pub.pem", "--answers"
    )
    told = f"release 1 is whole: 2 models, 2 artifacts, signed by key {key}\n"
    assert (code, out, err) == (0, told, "")
    code, out, _ = run(capsys, "verify", models / "quantized")
    assert code == 0 and out.endswith(f"signed by key {key} (not checked: no public key given)\n")
    code, out, _ = run(capsys, "verify", models / "quantized", "--json")
    record = json.loads(out)
    assert code == 0 and record["broken"] == 0 and record["findings"] == []
    assert (record["release"], record["models"], record["artifacts"]) == (1, 2, 2)
    assert record["key_id"] == key and not record["signature_checked"]


def test_keys_of_the_environment_are_used(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["keygen", str(models / "other.pem")])
    monkeypatch.setenv("ML_PUBLIC_KEYS", str(models / "other.pub.pem"))
    code, out, _ = run(capsys, "verify", models / "quantized")
    assert code == 1 and "manifest.json: " in out and "not known here" in out


def test_every_kind_of_damage_is_a_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = models / "quantized"
    first, second = artifact_of(models, "a"), artifact_of(models, "b")
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.unlink()  # the name beside it is another link of the same file
    first.write_bytes(bytes(data))
    (output / "b.qma").unlink()
    (output / "b.qma").write_bytes(b"other")
    (output / "c.qma").write_bytes(b"nobody's")
    (output / "objects" / ("0" * 64 + ".qma")).write_bytes(b"orphan")
    (output / "releases" / "9.json").write_text("{")
    (models / "b.pkl").write_bytes(b"replaced")
    (models / "a.pkl").unlink()
    code, out, _ = run(capsys, "verify", output)
    lines = out.splitlines()
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [
        "broken  a",
        "note    a",
        "broken  b.qma",
        "broken  b",
        "note    releases/9.json",
        f"note    objects/{'0' * 64}.qma",
        "note    c.qma",
    ]
    assert "not the one that was released" in lines[0]
    assert "its original is not there (../a.pkl): no fallback" in lines[1]
    assert lines[2].endswith("is not the released artifact")
    assert lines[3].endswith("its original was replaced after the release")
    assert lines[5].endswith("no release refers to it")
    assert lines[6].endswith("the release has no artifact of this name")
    second.unlink()
    code, out, _ = run(capsys, "verify", output, "--json")
    record = json.loads(out)
    assert code == 1 and record["broken"] == 3
    told = [item["what"] for item in record["findings"] if item["where"] == "releases/1.json"]
    assert told == ["the artifact of b is gone: no rollback to this release"]


def test_a_lying_entry_is_noticed_without_keys_too(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = models / "quantized" / "manifest.json"
    record = json.loads(path.read_text())
    record["models"]["a"]["artifact_size_bytes"] += 1
    record["models"]["a"]["source_sha256"] = "00" * 32
    path.write_text(json.dumps(record))
    code, out, _ = run(capsys, "verify", models / "quantized")
    assert code == 1
    assert "broken  a: its artifact was made from another file" in out
    assert "broken  a: its size is " in out
    assert "note    releases/1.json: is not the manifest of that release" in out


def test_a_name_that_lags_behind_the_release_is_worth_a_note(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = models / "quantized"
    before = (output / "a.qma").read_bytes()
    write_model(models, "a", seed=1)
    publish(models)
    (output / "a.qma").unlink()
    (output / "a.qma").write_bytes(before)
    code, out, _ = run(capsys, "verify", output)
    assert code == 0
    assert "note    a.qma: is still that of release 1: a run was stopped" in out


def test_nothing_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "verify", tmp_path)
    assert code == 1 and "nothing was published here" in out
    code, _, err = run(capsys, "verify", tmp_path, "--public-key", tmp_path / "missing.pem")
    assert code == 2 and err.startswith("error: --public-key: ")


# --- keygen -----------------------------------------------------------------------------------


def test_keys_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "keygen", tmp_path / "k.pem", "--public", tmp_path / "k.pub")
    assert code == 0 and out.startswith("key ") and str(tmp_path / "k.pub") in out
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in out and "PRIVATE" in (tmp_path / "k.pem").read_text()
    code, _, err = run(capsys, "keygen", tmp_path / "k.pem")
    assert code == 2 and "is there already; a key is never overwritten" in err
    assert not (tmp_path / "k.pub.pem").exists()


# --- inspect ----------------------------------------------------------------------------------


def test_what_an_artifact_holds(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = artifact_of(models, "a")
    code, out, _ = run(capsys, "inspect", path)
    key = read_release(models / "quantized").key_id
    assert code == 0
    assert f"signed       {key}" in out and "model        LogisticRegression (linear)" in out
    assert "precision    8" in out and "int8/channel" in out and "predict_proba" in out
    assert "self-test    " in out and "metric               accuracy" in out
    text = out
    code, out, _ = run(capsys, "inspect", path, "--json")
    record = json.loads(out)
    assert record["size_bytes"] == path.stat().st_size and record["source"]["name"] == "a.pkl"
    (explained,) = record["predictors"]
    fast = {row["method"]: row["fast"] for row in explained["methods"]}
    assert fast["predict"] and fast["predict_proba"] and not fast["score"]
    for row in explained["methods"]:  # each of its facts is in the text too
        line = next(line for line in text.splitlines() if line.split()[:1] == [row["method"]])
        assert line.split()[1] == ("fast" if row["fast"] else "restored")
        assert row["by"] in line and row["why"] in line
    evaluation = next(line for line in text.splitlines() if line.startswith("evaluated "))
    assert f"{record['evaluation']['rows']:,} held-out rows" in evaluation
    assert all(f"\n  {name} " in text for name in record["evaluation"])  # none less than JSON
    assert not set("{}[]") & set(text)  # in words
    assert ("self-test    none: no row fits" in text) == (record["golden_methods"] == [])
    stored = sum(row["stored_bytes"] for row in record["components"])
    assert 0 < stored < record["size_bytes"]
    assert sum(row["arrays"] for row in record["components"]) == record["arrays"]


def test_a_forest_that_was_rounded_is_not_called_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 5))
    forest = RandomForestRegressor(8, random_state=0).fit(rows, rows @ np.arange(5.0))
    (tmp_path / "trees.pkl").write_bytes(pickle.dumps(forest))
    np.savez(tmp_path / "trees.npz", X=rows, target=rows @ np.arange(5.0))
    for bits, word in (("8", "rounded or shortened when it was packed"), ("exact", "exact")):
        given = ("--held-out", tmp_path / "trees.npz", "--bit-depth", bits, "--allowed-drop", "0.5")
        assert run(capsys, "quantize", tmp_path / "trees.pkl", *given)[0] == 0
        _, out, _ = run(capsys, "inspect", tmp_path / "trees.qma")
        (line,) = (line for line in out.splitlines() if " arrays, " in line)
        assert line.endswith(f" arrays, {word}"), out


def test_a_model_of_untrusted_classes_is_described_all_the_same(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise UntrustedTypeError("not trusted", where="model")

    monkeypatch.setattr("model_quantization.maintenance.contents.open_model", refused)
    code, out, _ = run(capsys, "inspect", artifact_of(models, "a"))
    assert code == 0 and "predictors   not known: model: not trusted." in out
    assert "int8/channel" in out


def test_a_file_that_is_no_artifact(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspect", models / "a.pkl")
    assert (code, out) == (2, "") and err.startswith("error: ") and err.count("\n") == 1
    assert "it was not opened" in err and f"`model-quantization quantize {models / 'a.pkl'}`" in err
    (models / "a.qma").write_bytes((models / "a.pkl").read_bytes())
    code, out, err = run(capsys, "inspect", models / "a.qma")
    assert (code, out) == (1, "") and err.startswith("error: ") and err.count("\n") == 1
    code, _, err = run(capsys, "inspect", models / "missing.qma")
    assert code == 2 and "does not exist" in err and err.count("\n") == 1


# --- rollback ---------------------------------------------------------------------------------


def test_an_earlier_release_comes_back(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = models / "quantized"
    write_model(models, "c", 1)
    key = ("--signing-key", models / "key.pem")
    publish(models, signing_key=str(models / "key.pem"))
    (output / "releases" / "1.json").read_text()
    code, out, _ = run(capsys, "rollback", output)
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["2", "1"]
    assert "3 artifacts  current" in out and "2 artifacts\n" in out
    code, _, err = run(capsys, "rollback", output, 1)
    assert code == 1 and "the next one must be as well" in err
    code, out, _ = run(capsys, "rollback", output, 1, *key)
    assert (code, out) == (0, "release 3 is served now; it has the content of release 1\n")
    assert set(read_release(output).models) == {"a", "b"}
    code, _, err = run(capsys, "rollback", output, 77, *key)
    assert code == 1 and "there is no release 77" in err
    (output / "releases" / "2.json").write_text("{")
    code, out, _ = run(capsys, "rollback", output)
    assert code == 0 and "2  cannot be read: " in out


# --- doctor -----------------------------------------------------------------------------------


def test_the_doctor_says_what_is_active(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "doctor", tmp_path, "--json")
    checks = {check["name"]: check for check in json.loads(out)}
    assert code == 0
    assert {"fork server", "resource limits", "another user", "system calls", "directories",
            "no network", "no process", "no write", "fsync", "hard links", "kernels",
            "threads", "signing"} == set(checks)  # fmt: skip
    assert checks["fork server"]["state"] == checks["fsync"]["state"] == "active"
    for name in ("no network", "no process", "no write"):
        state, detail = checks[name]["state"], checks[name]["detail"]
        told = {"active": "a worker that tries is told: PermissionError", "absent": "succeeds"}
        assert told[state] in detail
    assert list(tmp_path.iterdir()) == []
    code, out, _ = run(capsys, "doctor", tmp_path)
    assert code == 0 and len(out.splitlines()) == len(checks)


@pytest.mark.parametrize(
    ("asked", "state", "detail"),
    [
        ("baseline", "active", "baseline, of "),
        ("reference", "absent", "MODEL_QUANTIZATION_KERNELS asks for the slow references"),
        ("abacus", "broken", "MODEL_QUANTIZATION_KERNELS is abacus; expected one of "),
    ],
)
def test_the_doctor_says_which_kernels_run(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    state: str,
    detail: str,
) -> None:
    monkeypatch.setenv("MODEL_QUANTIZATION_KERNELS", asked)
    instruction_set.cache_clear()
    try:
        _, out, _ = run(capsys, "doctor", tmp_path, "--json")
    finally:
        instruction_set.cache_clear()
    (check,) = (check for check in json.loads(out) if check["name"] == "kernels")
    assert check["state"] == state and detail in check["detail"]


def test_a_machine_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "doctor", tmp_path / "missing")
    assert code == 1 and "broken  output" in out and "cannot be written (No such file" in out


def test_a_worker_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_WORKER_USER", "no-such-user")
    assert main(["doctor"]) == 2


def test_verdicts_of_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    confinement = machine_check.Confinement()
    absent = {"uid": 1000, "seccomp": False, "capabilities": 0}
    monkeypatch.setattr(machine_check.os, "geteuid", lambda: 1000)
    assert "only root can change it" in machine_check._user(absent).detail
    monkeypatch.setattr(machine_check.os, "geteuid", lambda: 0)
    assert machine_check._user(absent | {"uid": 0}).state == "absent"
    assert "without any of root's powers" in machine_check._user(absent).detail
    assert "no filter for" in machine_check._filter(absent, confinement).detail
    off = machine_check.Confinement(filters=False)
    assert machine_check._filter(absent, off).detail == "ML_WORKER_FILTERS is off"
    assert machine_check._landlock(off).detail == "ML_WORKER_FILTERS is off"
    monkeypatch.setattr(machine_check, "landlock_version", lambda: 0)
    assert machine_check._landlock(confinement).detail == "the kernel has no Landlock"


# --- the command line -------------------------------------------------------------------------


def test_it_is_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "model_quantization", "--help"],
        capture_output=True, text=True, check=True, cwd=PROJECT,
    )  # fmt: skip
    for command in ("verify", "doctor", "keygen", "inspect", "rollback"):
        assert command in done.stdout


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["verify"], ["rollback", ".", "x"]])
def test_bad_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1 and "--help" in err
