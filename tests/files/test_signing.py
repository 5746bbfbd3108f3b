"""Signatures: keys as they are read, artifacts as they are signed, releases as they are checked."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import model_quantization as mq
from model_quantization.artifact.container import read_container, write_container
from model_quantization.artifact.reader import read_artifact
from model_quantization.artifact.writer import sign_artifact
from model_quantization.batch.run import run_batch
from model_quantization.config.file import load_config
from model_quantization.config.run_config import RunConfig
from model_quantization.errors import (
    ConfigError,
    FallbackRefused,
    FormatError,
    IntegrityError,
    LimitError,
    SignatureError,
)
from model_quantization.files.signing import (
    ARTIFACT,
    RELEASE,
    Signature,
    generate_key_pair,
    read_public_keys,
    read_signing_key,
)
from model_quantization.limits import Limits
from model_quantization.outcome import Outcome, Status
from model_quantization.pipeline.in_memory import quantize_live_model
from model_quantization.release.manifest import Release, read_release
from model_quantization.release.publish import rollback
from model_quantization.release.signer import check_whole_run, read_signer, sign_outcome
from model_quantization.schemes.recipe import recipe_for
from model_quantization.serving.named_loaders import ModelLoader
from model_quantization.trust import TrustPolicy


@dataclass(frozen=True)
class Pair:
    """The two files of a key."""

    private: Path
    public: Path
    key_id: str


def make_pair(directory: Path, name: str) -> Pair:
    private, public, key_id = generate_key_pair()
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.pub.pem", key_id)
    pair.private.write_bytes(private)
    pair.public.write_bytes(public)
    return pair


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    directory = tmp_path_factory.mktemp("keys")
    return make_pair(directory, "ours"), make_pair(directory, "theirs")


@pytest.fixture(scope="module")
def artifact() -> bytes:
    rows = np.random.default_rng(0).normal(size=(60, 5))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    return quantize_live_model(model, recipe_for("8"), TrustPolicy()).data


# --- keys -------------------------------------------------------------------------------------


def test_a_signature_holds_for_its_digest_purpose_and_key_only(keys: tuple[Pair, Pair]) -> None:
    ours, theirs = keys
    key = read_signing_key(ours.private)
    assert key.key_id == ours.key_id and len(key.key_id) == 16
    assert "private" not in repr(key).lower()
    signature = key.sign(ARTIFACT, "00" * 32)
    assert signature == key.sign(ARTIFACT, "00" * 32)
    both = read_public_keys([theirs.public, ours.public])
    assert both is not None and both.required
    both.check(ARTIFACT, "00" * 32, signature, "x")
    for purpose, digest in ((RELEASE, "00" * 32), (ARTIFACT, "01" * 32)):
        with pytest.raises(SignatureError, match=rf"x: the signature is wrong.*{ours.key_id}"):
            both.check(purpose, digest, signature, "x")
    other = Signature(theirs.key_id, signature.value)
    with pytest.raises(SignatureError, match=r"the signature is wrong"):
        both.check(ARTIFACT, "00" * 32, other, "x")


@pytest.mark.bad_input(34)
def test_a_key_that_is_not_known_and_no_signature(keys: tuple[Pair, Pair]) -> None:
    ours, theirs = keys
    signature = read_signing_key(theirs.private).sign(ARTIFACT, "00" * 32)
    strict = read_public_keys([ours.public])
    lenient = read_public_keys([ours.public], required=False)
    assert strict is not None and lenient is not None
    for held in (strict, lenient):
        with pytest.raises(SignatureError, match=f"not known here.*got key {theirs.key_id}"):
            held.check(ARTIFACT, "00" * 32, signature, "x")
    with pytest.raises(SignatureError, match=f"x: not signed.*by key {ours.key_id}"):
        strict.check(ARTIFACT, "00" * 32, None, "x")
    lenient.check(ARTIFACT, "00" * 32, None, "x")


def test_keys_from_the_environment(
    keys: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", keys[0].private.read_text())
    monkeypatch.setenv("OUR_PUBLIC_KEY", keys[0].public.read_text())
    assert read_signing_key("env:OUR_KEY").key_id == keys[0].key_id
    held = read_public_keys(["env:OUR_PUBLIC_KEY"])
    assert held is not None and set(held.keys) == {keys[0].key_id}
    with pytest.raises(ConfigError, match=r"signing_key: env:NO_SUCH_KEY: .*not set"):
        read_signing_key("env:NO_SUCH_KEY")


def test_keys_that_cannot_be_used(keys: tuple[Pair, Pair], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    other = generate_private_key(SECP256R1())
    private, public, text = tmp_path / "ec.pem", tmp_path / "ec.pub.pem", tmp_path / "text"
    private.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    text.write_text("no key")
    for bad in (private, text, keys[0].public):
        with pytest.raises(ConfigError, match=r"signing_key: .*an Ed25519 private key in PEM"):
            read_signing_key(bad)
    for bad in (public, text, keys[0].private):
        with pytest.raises(ConfigError, match=r"public_keys: .*an Ed25519 public key in PEM"):
            read_public_keys([bad])
    with pytest.raises(ConfigError, match=r"cannot be read.*No such file"):
        read_signing_key(tmp_path / "missing")
    with pytest.raises(ConfigError, match=r"required and no key is given.*keygen"):
        read_public_keys([], required=True)
    assert read_public_keys([]) is None


# --- artifacts --------------------------------------------------------------------------------


def test_a_signed_artifact_is_the_same_model(keys: tuple[Pair, Pair], artifact: bytes) -> None:
    key = read_signing_key(keys[0].private)
    signed = sign_artifact(artifact, key)
    assert signed == sign_artifact(artifact, key) == sign_artifact(signed, key)
    assert 0 < len(signed) - len(artifact) < 256
    held = read_public_keys([keys[0].public])
    opened = read_artifact(signed, keys=held)
    assert opened.signature is not None and opened.signature.key_id == keys[0].key_id
    assert opened.manifest == read_artifact(artifact).manifest
    assert read_artifact(artifact).signature is None
    rows = np.random.default_rng(1).normal(size=(9, 5))
    assert np.array_equal(mq.load(signed, keys=held).predict(rows), mq.load(artifact).predict(rows))
    with pytest.raises(SignatureError, match=r"m.qma: not signed"):
        read_artifact(artifact, keys=held, where="m.qma")


def resigned(data: bytes, **changes: str | None) -> bytes:
    segments, metadata = read_container(data, Limits(), "x")
    metadata = {key: value for key, value in (metadata | changes).items() if value is not None}
    return write_container({name: bytes(held) for name, held in segments.items()}, metadata)


def test_a_changed_artifact_and_what_is_no_signature(
    keys: tuple[Pair, Pair], artifact: bytes
) -> None:
    signed = sign_artifact(artifact, read_signing_key(keys[0].private))
    held = read_public_keys([keys[0].public])
    digest = read_container(signed, Limits(), "x")[1]["manifest_sha256"]
    flipped = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    with pytest.raises(SignatureError, match=r"the signature is wrong"):
        read_artifact(resigned(signed, manifest_sha256=flipped), keys=held)
    with pytest.raises(IntegrityError):
        read_artifact(resigned(signed, manifest_sha256=flipped))
    for changes in (
        {"signature": None},
        {"key_id": None},
        {"signature": "00"},
        {"key_id": "UPPER-CASE-1234"},
        {"signature": "é" * 128},
    ):
        with pytest.raises(FormatError):
            read_artifact(resigned(signed, **changes))
    with pytest.raises(FormatError, match=r"not an artifact of this format"):
        read_artifact(resigned(signed, signer="us"))


def test_the_pinned_hash_is_of_the_bytes_that_are_opened(artifact: bytes) -> None:
    assert len(read_artifact(artifact, sha256=sha256(artifact).hexdigest()))
    with pytest.raises(IntegrityError, match=r"not the one that was released; .*0000"):
        mq.load(artifact, sha256="00" * 32)


# --- runs that sign ---------------------------------------------------------------------------


def outcome_of(path: Path, data: bytes, source_sha256: str = "") -> Outcome:
    path.write_bytes(data)
    return Outcome(
        name="m",
        source="m.pkl",
        status=Status.PUBLISHED,
        source_sha256=source_sha256,
        artifact=str(path),
        artifact_sha256=sha256(data).hexdigest(),
        artifact_size_bytes=len(data),
    )


def test_a_run_vouches_for_what_its_keys_signed_for_that_file_only(
    keys: tuple[Pair, Pair], artifact: bytes, tmp_path: Path
) -> None:
    ours, theirs = keys
    signer = read_signer(str(ours.private))
    successor = read_signer(str(theirs.private), (str(ours.public),))
    assert signer is not None and successor is not None
    source = read_artifact(artifact).manifest["source"]["sha256"]
    good = outcome_of(tmp_path / "good.qma", sign_artifact(artifact, signer.key), source)
    foreign = outcome_of(tmp_path / "other.qma", sign_artifact(artifact, successor.key), source)
    plain = outcome_of(tmp_path / "plain.qma", artifact, source)
    assert signer.vouches_for(tmp_path, good, source)
    assert successor.vouches_for(tmp_path, good, source)
    assert successor.vouches_for(tmp_path, foreign, source)
    other = "ab" * 32
    for outcome, asked in (
        (foreign, source),
        (plain, source),
        (good, other),
        (replace(good, source_sha256=other), source),
        (replace(good, source_sha256=other), other),  # made from another file than it says
        (replace(good, artifact=None), source),
        (replace(good, artifact_sha256=other), source),
        (replace(good, artifact=str(tmp_path / "none.qma")), source),
    ):
        assert not signer.vouches_for(tmp_path, outcome, asked)


def test_what_is_signed_is_the_artifact_that_was_evaluated(
    keys: tuple[Pair, Pair], artifact: bytes, tmp_path: Path
) -> None:
    key = read_signing_key(keys[0].private)
    path = tmp_path / "m.qma"
    outcome = outcome_of(path, artifact)
    for small in (replace(Limits(), file_bytes=10), replace(Limits(), manifest_bytes=10)):
        with pytest.raises(LimitError):
            sign_outcome(outcome, key, small)
    assert path.read_bytes() == artifact
    signed = sign_outcome(outcome, key, Limits())
    data = path.read_bytes()
    assert data == sign_artifact(artifact, key)
    assert signed == replace(
        outcome, artifact_sha256=sha256(data).hexdigest(), artifact_size_bytes=len(data)
    )
    with pytest.raises(IntegrityError, match=r"m\.qma"):  # it is no longer what was evaluated
        sign_outcome(outcome, key, Limits())
    nothing = replace(outcome, artifact=None)
    assert sign_outcome(nothing, key, Limits()) is nothing


def test_a_first_signed_run_leaves_no_model_out(keys: tuple[Pair, Pair], tmp_path: Path) -> None:
    signer = read_signer(str(keys[0].private))
    unsigned = Release(tmp_path, 1, "", {})
    with pytest.raises(ConfigError, match=r"only some models are requested"):
        check_whole_run(["m"], unsigned, signer)
    signed = replace(unsigned, key_id=keys[0].key_id)
    check_whole_run([], unsigned, signer)
    check_whole_run(["m"], None, signer)
    check_whole_run(["m"], signed, signer)
    check_whole_run(["m"], unsigned, None)


# --- releases ---------------------------------------------------------------------------------


def rows_of(count: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(count, 60))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Pair, Pair]) -> Path:
    """Two models, released and signed by our key."""
    models = tmp_path_factory.mktemp("shop")
    for name, sign in (("up", 1), ("down", -1)):
        rows = rows_of(200, 0)
        model = LogisticRegression().fit(rows, np.where(sign * rows[:, 0] > 0, "yes", "no"))
        (models / f"{name}.pkl").write_bytes(pickle.dumps(model))
    run(models, keys[0])
    return models


@pytest.fixture
def models(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("ML_MODEL_DIR", "ML_QUANTIZED_DIR", "ML_PUBLIC_KEYS"):
        monkeypatch.delenv(variable, raising=False)
    return Path(shutil.copytree(shop, tmp_path / "models"))


def run(models: Path, pair: Pair | None, **changes: Any) -> dict[str, Outcome]:
    values: dict[str, Any] = {
        "model_dir": str(models),
        "latency_seconds": 0,
        "gate": {"publish_unverified": True, "min_size_reduction": -5},
        "signing_key": str(pair.private) if pair else None,
    }
    result = run_batch(RunConfig.model_validate(values | changes))
    return {outcome.name: outcome for outcome in result.outcomes}


def loader(models: Path, *pairs: Pair, **options: Any) -> ModelLoader:
    return ModelLoader("up", models, public_keys=tuple(p.public for p in pairs), **options)


def manifest_of(models: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((models / "quantized" / "manifest.json").read_text())
    return record


def write_manifest(models: Path, record: dict[str, Any]) -> None:
    (models / "quantized" / "manifest.json").write_text(json.dumps(record))


def test_a_signed_release_serves_who_asks_for_signatures(
    models: Path, keys: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = keys
    release = read_release(models / "quantized", read_public_keys([ours.public]))
    assert release.key_id == ours.key_id
    for path in release.models:
        artifact = release.artifact_path(path)
        assert artifact is not None
        read_artifact(artifact, keys=read_public_keys([ours.public]))
    for pairs in ((), (ours,), (theirs, ours)):
        served = loader(models, *pairs)
        assert served.predict(rows_of(3, 1)).shape == (3,)
        assert served.status()["active"] == "quantized"
    with pytest.raises(SignatureError, match=r"manifest.json: signed by a key that is not known"):
        loader(models, theirs).predict(rows_of(3, 1))
    monkeypatch.setenv("ML_PUBLIC_KEYS", f"{theirs.public}:{theirs.public}")
    with pytest.raises(SignatureError):
        ModelLoader("up", models).predict(rows_of(3, 1))


def test_nothing_is_done_again_and_nothing_is_signed_again(
    models: Path, keys: tuple[Pair, Pair]
) -> None:
    before = manifest_of(models)
    assert all(outcome.unchanged for outcome in run(models, keys[0]).values())
    assert manifest_of(models) == before


def test_swapped_entries_are_noticed(models: Path, keys: tuple[Pair, Pair]) -> None:
    record = manifest_of(models)
    held = record["models"]
    held["up"], held["down"] = held["down"], held["up"]
    write_manifest(models, record)
    with pytest.raises(SignatureError, match=r"the signature is wrong"):
        loader(models, keys[0]).predict(rows_of(3, 1))
    assert loader(models).status()["active"]  # who asks for no signature cannot notice
    with pytest.raises(SignatureError, match=r"the signature is wrong"):
        run(models, keys[0])
    del record["signature"]
    write_manifest(models, record)
    with pytest.raises(SignatureError, match=r"not signed"):
        loader(models, keys[0]).predict(rows_of(3, 1))
    status = loader(models, keys[0]).status()
    assert status["active"] is None and status["reason_code"] == "signature"
    assert loader(models, keys[0], require_signature=False).status()["active"]


def test_half_a_signature_of_a_manifest(models: Path, keys: tuple[Pair, Pair]) -> None:
    for signature in ({}, {"key_id": keys[0].key_id}, {"key_id": 1, "value": None}, "x"):
        record = manifest_of(models)
        record["signature"] = signature
        write_manifest(models, record)
        with pytest.raises(FormatError, match=r"not a signature|`signature` is not usable"):
            read_release(models / "quantized")


def test_an_unsigned_release_is_not_carried_over(models: Path, keys: tuple[Pair, Pair]) -> None:
    record = manifest_of(models)
    del record["signature"]
    record["models"]["gone"] = record["models"]["up"]
    write_manifest(models, record)
    with pytest.raises(ConfigError, match=r"not signed, and only some models are requested"):
        run(models, keys[0], only=["up"])
    outcomes = run(models, keys[0])
    assert not any(outcome.unchanged for outcome in outcomes.values())
    release = read_release(models / "quantized", read_public_keys([keys[0].public]))
    assert set(release.models) == {"up", "down"} and release.number == record["release"] + 1


def test_a_finished_outcome_that_somebody_put_there_is_not_signed(
    models: Path, keys: tuple[Pair, Pair]
) -> None:
    record = manifest_of(models)
    entry = record["models"]["up"]
    stats = json.loads((models / "quantized" / "stats" / "up.json").read_text())
    other = record["models"]["down"]
    forged = stats | {
        "artifact": other["artifact"],
        "artifact_sha256": other["artifact_sha256"],
        "artifact_size_bytes": other["artifact_size_bytes"],
    }
    finished = models / "quantized" / ".work" / "outcomes" / "up.json"
    finished.parent.mkdir(parents=True, exist_ok=True)
    finished.write_text(json.dumps(forged))
    (models / "quantized" / "stats" / "up.json").write_text(json.dumps(forged))
    run(models, keys[0])
    assert manifest_of(models)["models"]["up"] == entry
    where = {"source": str(models / "up.pkl"), "fingerprint": entry["fingerprint"]}
    # What this run's key signed for this very file is taken over, as after a kill.
    finished.parent.mkdir(parents=True, exist_ok=True)
    finished.write_text(json.dumps(stats | where))
    assert not run(models, keys[0], only=["up"])["up"].unchanged
    assert manifest_of(models)["models"]["up"] == entry


def test_keys_are_changed_without_a_gap(models: Path, keys: tuple[Pair, Pair]) -> None:
    old, new = keys
    with pytest.raises(SignatureError, match=r"not known here"):
        run(models, new)
    outcomes = run(models, new, public_keys=[str(old.public)])
    assert all(outcome.published for outcome in outcomes.values())
    assert read_release(models / "quantized").key_id == new.key_id
    assert loader(models, old, new).status()["active"] == "quantized"
    with pytest.raises(SignatureError):
        loader(models, old).predict(rows_of(3, 1))


def test_a_rollback_of_a_signed_release_is_signed(models: Path, keys: tuple[Pair, Pair]) -> None:
    output = models / "quantized"
    with pytest.raises(SignatureError, match=r"the next one must be as well; got no signing key"):
        rollback(output, 1)
    with pytest.raises(SignatureError, match=r"not known here"):
        rollback(output, 1, read_signer(str(keys[1].private)))
    release = rollback(output, 1, read_signer(str(keys[0].private)))
    assert release.number == 2 and release.rollback_of == 1
    assert loader(models, keys[0]).status()["release"] == 2


def test_an_original_that_no_signed_release_pins_is_not_served(
    models: Path, keys: tuple[Pair, Pair]
) -> None:
    rows = rows_of(3, 1)
    other = LogisticRegression().fit(rows_of(50, 2), ["a", "b"] * 25)
    (models / "up.pkl").write_bytes(pickle.dumps(other))
    assert set(loader(models).predict(rows)) <= {"a", "b"}  # a deployment, to who asks for nothing
    strict = loader(models, keys[0])
    assert set(strict.predict(rows)) <= {"yes", "no"}
    assert strict.status()["active"] == "quantized" and strict.status()["reason_code"] == "stale"
    with pytest.raises(FallbackRefused):
        loader(models, keys[0], use_quantized=False).predict(rows)
    (models / "new.pkl").write_bytes(pickle.dumps(other))
    with pytest.raises(SignatureError, match=r"no signed release has this model"):
        ModelLoader("new", models, public_keys=(keys[0].public,)).predict(rows)


def test_a_signed_artifact_that_is_damaged_is_answered_by_the_pinned_original(
    models: Path, keys: tuple[Pair, Pair]
) -> None:
    release = read_release(models / "quantized")
    path = release.artifact_path("up")
    assert path is not None
    path.write_bytes(path.read_bytes()[:-1])
    served = loader(models, keys[0])
    assert set(served.predict(rows_of(9, 1))) <= {"yes", "no"}
    assert served.status()["reason_code"] == "integrity"


@pytest.mark.bad_input(34)
def test_an_artifact_signed_by_somebody_else_never_falls_back(
    models: Path, keys: tuple[Pair, Pair]
) -> None:
    output = models / "quantized"
    path = read_release(output).artifact_path("up")
    assert path is not None
    data = sign_artifact(path.read_bytes(), read_signing_key(keys[1].private))
    digest = sha256(data).hexdigest()
    (output / "objects" / f"{digest}.qma").write_bytes(data)
    record = manifest_of(models)
    del record["signature"]
    record["models"]["up"] |= {"artifact": f"objects/{digest}.qma", "artifact_sha256": digest}
    write_manifest(models, record)
    with pytest.raises(SignatureError, match=r"not known here"):
        loader(models, keys[0], require_signature=False).predict(rows_of(3, 1))


def test_refused_and_failed_models_need_no_signature(models: Path, keys: tuple[Pair, Pair]) -> None:
    (models / "evil.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    outcomes = run(models, keys[0])
    assert outcomes["evil"].status is Status.REFUSED
    assert read_release(models / "quantized").key_id == keys[0].key_id


def test_key_files_count_from_the_configuration_file(
    tmp_path: Path, keys: tuple[Pair, Pair]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("signing_key: keys/a.pem\npublic_keys: [keys/b.pem, 'env:OTHER']\n")
    config = load_config(file, environ={})
    assert config.signing_key == str(tmp_path / "keys" / "a.pem")
    assert config.public_keys == (str(tmp_path / "keys" / "b.pem"), "env:OTHER")
    config = load_config(file, environ={"MLQ_SIGNING_KEY": "env:KEY", "MLQ_PUBLIC_KEYS": "x.pem"})
    assert config.signing_key == "env:KEY" and config.public_keys == ("x.pem",)
