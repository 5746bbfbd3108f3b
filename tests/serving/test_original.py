"""Loading an original in the serving process: the scanned bytes, pinned or not."""

from __future__ import annotations

import logging
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model_quantization.errors import FallbackRefused, LimitError, ScanMalformed, ScanRefused
from model_quantization.limits import Limits
from model_quantization.loading.pickles.original import load_original
from model_quantization.trust import TrustPolicy

ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [3.0, 3.0], [4.0, 3.0]])


def model() -> LogisticRegression:
    return LogisticRegression().fit(ROWS, [0, 0, 1, 1])


class Own:
    """A class of the user's."""

    def __init__(self) -> None:
        self.model = model()


@pytest.mark.parametrize("compress", [None, 0, 3])
def test_it_answers_as_saved(tmp_path: Path, compress: int | None) -> None:
    path = tmp_path / "m.pkl"
    if compress is None:
        path.write_bytes(pickle.dumps(model()))
    else:
        joblib.dump(model(), path, compress=compress)
    digest = sha256(path.read_bytes()).hexdigest()
    loaded, found = load_original(path, sha256=digest)
    assert found == digest
    assert np.array_equal(loaded.predict_proba(ROWS), model().predict_proba(ROWS))


def test_only_the_pinned_file(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model()))
    with pytest.raises(FallbackRefused, match=r"m\.pkl.*expected sha256 0{64}"):
        load_original(path, sha256="0" * 64)
    with pytest.raises(FallbackRefused, match="none: it was refused"):
        load_original(path, sha256="")


def test_own_classes_only_when_trusted(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(Own()))
    with pytest.raises(ScanRefused, match="Own"):
        load_original(path)
    loaded, _ = load_original(path, trust=TrustPolicy(frozenset({f"{__name__}:Own"})))
    assert isinstance(loaded, Own)


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model()))
    with pytest.raises(LimitError, match="too large"):
        load_original(path, limits=Limits(file_bytes=10))


def test_what_loading_warned_of_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = model()
    state: dict[str, Any] = old.__getstate__()
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(old).replace(state["_sklearn_version"].encode(), b"1.8.9"))
    with caplog.at_level(logging.WARNING):
        load_original(path)
    assert "1.8.9" in caplog.text and str(path) in caplog.text


def test_a_state_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    plain = pickle.dumps(np.arange(4, dtype=np.int64), protocol=2)
    path.write_bytes(plain.replace(b"K\x04\x85", b"K\x07\x85"))  # seven items, bytes for four
    with pytest.raises((ScanMalformed, ScanRefused)):
        load_original(path)
