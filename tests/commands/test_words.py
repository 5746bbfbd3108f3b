"""Messages of the command line are in the words of the person who typed it."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import model_quantization as mq
from model_quantization.commands.application import main
from model_quantization.errors import ConfigError, NoSuchFile, PathRefused
from model_quantization.serving.named_loaders import ModelLoader

ROWS = np.random.default_rng(0).normal(size=(200, 4))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "models").mkdir()
    model = RandomForestClassifier(20, random_state=0).fit(ROWS, ROWS[:, 0] > 0)
    (folder / "models" / "churn.pkl").write_bytes(pickle.dumps(model))
    np.savez(folder / "churn.npz", X=ROWS, target=ROWS[:, 0] > 0)
    (folder / "file").write_text("")
    return folder


def _told(
    capsys: pytest.CaptureFixture[str], shop: Path, arguments: str, code: int
) -> tuple[str, str]:
    capsys.readouterr()
    assert main([part.replace("SHOP", str(shop)) for part in arguments.split()]) == code
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("MODEL --max-bytes 100", "--max-bytes: cannot be used; expected --bit-depth auto beside"),
        ("MODELS --max-bytes 100", "--max-bytes: cannot be used; expected --bit-depth auto beside"),
        ("MODEL --trusted foo", "--trusted: a trusted name must say where it is; expected `module"),
        ("MODELS --trusted foo", "--trusted: cannot be used; expected `module:qualname`, such as"),
        ("MODEL --allowed-drop=-1", "--allowed-drop: cannot be used; expected a number at least 0"),
        ("MODELS --allowed-drop=-1", "--allowed-drop: cannot be used; expected greater than or"),
        ("MODELS --workers 0", "--workers: cannot be used; expected greater than or equal to 1"),
        ("MODEL --held-out nosuch", "--held-out nosuch: there is no such held-out file or"),
        ("MODELS --held-out nosuch", "nosuch: the held-out directory does not exist; create it"),
        ("MODELS --held-out SHOP/file", "file: the held-out directory is a file; create it"),
        ("MODEL --bit-depth auto", "--bit-depth: without held-out data there is nothing"),
        ("MODEL --refit-rows x", "--refit-rows: a file of rows for a precision that is chosen"),
        ("MODELS --signing-key nosuch", "--signing-key: nosuch: the key cannot be read"),
        ("MODELS --only foo", "--only: no model matches `foo`; expected one of churn"),
        ("SHOP/models/no.pkl", "no.pkl: there is no such model file; check the name"),
        ("MODEL --output-dir SHOP/file/x", "churn.qma: the artifact cannot be written; expected a"),
    ],
)
def test_quantize_names_what_was_typed(
    arguments: str, message: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = arguments.replace("MODELS", "SHOP/models").replace("MODEL", "SHOP/models/churn.pkl")
    out, err = _told(capsys, shop, f"quantize {paths}", 2)
    assert message in err and err.startswith("error: ") and err.count("\n") == 1 and not out
    for word in ("configuration", "gate", "Errno", "bit_depth", "held_out=", "pattern '"):
        assert word not in err


def test_other_commands_do_so_too(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", str(shop / "models" / "churn.pkl")]) == 0
    two = "SHOP/models/churn.pkl SHOP/models/churn.qma --held-out SHOP/churn.npz"
    _, err = _told(capsys, shop, f"compare {two} --metric foo", 2)
    assert "error: --metric: cannot be used; expected auto or one of accuracy" in err
    _, err = _told(capsys, shop, "inspect SHOP/models/churn.qma --trusted foo", 2)
    assert "error: --trusted: a trusted name must say where it is" in err
    _, err = _told(capsys, shop, "verify SHOP/file", 2)
    assert "is a file" in err


def test_a_value_of_the_configuration_keeps_its_key(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(f"model_dir: {shop / 'models'}\nn_workers: 0\n")
    _, err = _told(capsys, shop, f"run --config {tmp_path / 'run.yaml'} --trusted a:b", 2)
    assert f"{tmp_path / 'run.yaml'}: `n_workers` cannot be used" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is a text\n", "is a text file; expected a pickle, joblib or skops file"),
        (b"a,b\n1,2\n", "is a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "`git lfs pull`"),
    ],
)
def test_a_text_in_place_of_a_model_is_called_that(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "churn.pkl").write_bytes(content)
    assert main(["quantize", str(tmp_path / "churn.pkl")]) == 1
    assert words in capsys.readouterr().err


def test_what_a_text_pickle_names_is_told_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "churn.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert main(["quantize", str(tmp_path / "churn.pkl")]) == 1
    assert "os:system is not on the allow-list" in capsys.readouterr().err


def test_arguments_of_functions_that_are_no_paths(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"got None; where the original stays, `output_path` is"):
        mq.load(None)  # type: ignore[arg-type]
    with pytest.raises(NoSuchFile, match=r"no\.qma: there is no such artifact; check the path"):
        mq.load(tmp_path / "no.qma")
    with pytest.raises(FileNotFoundError):
        mq.load(str(tmp_path / "no.qma"))
    with pytest.raises(PathRefused, match=r"no\.pkl: there is no such file; check the name"):
        mq.quantize_model_file(tmp_path / "no.pkl")
    with pytest.raises(ConfigError, match=r"`ModelQuantizer\(\).quantize_model` takes a model"):
        mq.quantize_model_file(LogisticRegression())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"model_dir: not a path; expected the path of a"):
        mq.batch_quantize_models(None)  # type: ignore[arg-type]


def test_a_missing_artifact_is_told_without_numbers_of_the_system(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "churn.pkl").write_bytes((shop / "models" / "churn.pkl").read_bytes())
    assert main(["quantize", str(tmp_path)]) == 0
    assert main(["verify", str(tmp_path)]) == 1
    output = tmp_path / "quantized"
    assert f"the release of these models is in {output}" in capsys.readouterr().out
    for path in (*(output / "objects").iterdir(), output / "churn.qma"):
        path.unlink()
    assert main(["verify", str(output)]) == 1
    shown = capsys.readouterr().out
    assert "churn: its artifact is not there (objects/" in shown and "Errno" not in shown
    status = ModelLoader("churn", tmp_path).status()
    assert status["reason_code"] == "missing" and "Errno" not in status["reason"]
    assert status["reason"].startswith("the released artifact is not there (")


def test_a_dry_run_counts_refused_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (tmp_path / "run.yaml").write_text("model_dir: models\n")
    assert main(["run", "--config", str(tmp_path / "run.yaml")]) == 1
    capsys.readouterr()
    assert main(["run", "--config", str(tmp_path / "run.yaml"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("0 to quantize, 1 refused, 0 unchanged. Nothing was written.\n")


def test_each_failure_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert main(["quantize", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out + err).count("os:system is not on the allow-list") == 1
    assert "see below" in out and err == "short: bad (refused)\n"


def test_questions_end_as_questions() -> None:
    assert str(ConfigError("unknown key", do="did you mean `only`?")).endswith("`only`?")


def test_a_quantized_model_is_not_changed_in_silence(shop: Path) -> None:
    rows = ROWS[:, :2]
    model = OneVsRestClassifier(LogisticRegression()).fit(rows, rows[:, 0] > 0)
    quantized, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(model)
    for name in ("classes_", "predict", "new"):
        with pytest.raises(AttributeError, match=f"`{name}` cannot be set: a quantized model is"):
            setattr(quantized, name, 0)
    assert list(quantized.predict(rows)) == list(model.predict(rows))
    vote, _ = mq.ModelQuantizer(bit_depth=16).quantize_model(
        BaggingClassifier(LogisticRegression(), 3, random_state=0).fit(rows, rows[:, 0] > 0)
    )
    with pytest.raises(TypeError) as caught:
        vote["first"]
    assert "_Iterated" not in str(caught.value) and type(vote).__name__ == "QuantizedModel"


def test_a_quantizer_shows_how_it_was_made() -> None:
    assert repr(mq.ModelQuantizer()) == "ModelQuantizer(bit_depth=8)"
    made = mq.ModelQuantizer(recipe="exact", use_dynamic_quantization=False, trusted=["a:B"])
    assert repr(made) == (
        "ModelQuantizer(recipe='exact', use_dynamic_quantization=False, trusted=('a:B',))"
    )


def test_a_loader_whose_first_use_failed_says_so(tmp_path: Path) -> None:
    loader = ModelLoader("churn", tmp_path)
    assert repr(loader) == "ModelLoader('churn', nothing loaded yet)"
    with pytest.raises(PathRefused):
        loader.predict(ROWS)
    assert "nothing can answer: " in repr(loader) and "there is no such model file" in repr(loader)
