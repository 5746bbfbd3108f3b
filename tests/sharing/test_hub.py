"""What would be pushed to a hub, and that nothing is pushed of a broken file."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

import model_quantization as mq
from model_quantization.errors import ArtifactError, ConfigError, MissingExtra
from model_quantization.sharing.hub import CARD, EVIDENCE, MODEL, push_to_hub, write_hub_folder

PROJECT = Path(__file__).resolve().parents[2]


class Recorder:
    """A hub that keeps what it is sent, and where no network is needed."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool]] = []
        self.files: dict[str, bytes] = {}
        self.message = ""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.made.append((repo_id, private))

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        assert repo_id == self.made[-1][0]
        self.message = commit_message
        self.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 150))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    model = LogisticRegression().fit(X[:400], y[:400])
    (folder / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(folder / "churn.npz", X=X[400:], target=y[400:])
    made = mq.quantize_model_file(folder / "churn.pkl", held_out=folder / "churn.npz")
    assert made["output_path"] is not None
    return Path(made["output_path"])


def card_of(text: str) -> tuple[dict[str, Any], str]:
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_folder_holds_model_card_and_evidence(artifact: Path, tmp_path: Path) -> None:
    files = write_hub_folder(artifact, tmp_path / "push")
    assert {path.name for path in files} == {MODEL, CARD, EVIDENCE, "requirements.txt"}
    assert (tmp_path / "push" / MODEL).read_bytes() == artifact.read_bytes()
    front, body = card_of((tmp_path / "push" / CARD).read_text())
    assert front["library_name"] == "model-quantization"
    assert front["pipeline_tag"] == "tabular-classification"
    assert "linear" in front["tags"]
    assert body.startswith("\n# churn\n")
    assert "Judged on 1,600 held-out rows against the original." in body
    assert f'mq.load("{MODEL}")' in body
    evidence = json.loads((tmp_path / "push" / EVIDENCE).read_text())
    assert evidence["evaluation"]["rows"] == 1600
    assert evidence["sha256"] in body
    assert evidence["source"]["sha256"] in body
    # The code of the card works in the folder as it was pushed.
    model = mq.load(tmp_path / "push" / MODEL)
    assert len(model.predict(np.zeros((3, 150)))) == 3


def test_a_push_is_one_commit_of_that_folder(artifact: Path, tmp_path: Path) -> None:
    hub = Recorder()
    assert push_to_hub(artifact, "team/churn", api=hub) == "team/churn"
    assert hub.made == [("team/churn", True)]
    assert hub.files[MODEL] == artifact.read_bytes()
    written = {path.name: path.read_bytes() for path in write_hub_folder(artifact, tmp_path)}
    assert hub.files == written
    assert hub.message.startswith("Quantized model ")


def test_a_file_without_evidence_says_so(tmp_path: Path) -> None:
    golden = PROJECT / "tests" / "artifact" / "golden" / "text.qma"
    write_hub_folder(golden, tmp_path, name="words")
    front, body = card_of((tmp_path / CARD).read_text())
    assert front["pipeline_tag"] == "text-classification"
    assert "# words" in body
    assert "nothing was proven on held-out rows" in body


def test_nothing_is_pushed_of_a_broken_file(artifact: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.qma"
    broken.write_bytes(artifact.read_bytes()[:-1] + b"x")
    hub = Recorder()
    with pytest.raises(ArtifactError):
        push_to_hub(broken, "team/churn", api=hub)
    assert hub.made == []
    assert hub.files == {}


@pytest.mark.parametrize("name", ["churn", "/churn", "team/", "team/a/b"])
def test_a_repository_has_an_owner_and_a_name(artifact: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="owner/name"):
        push_to_hub(artifact, name, api=Recorder())


def test_without_the_hubs_package_its_extra_is_named(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"model-quantization\[hub\]"):
        push_to_hub(artifact, "team/churn")
