"""Loaders that cross processes: pickled as their arguments, loaded again where they arrive."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest

from model_quantization.files.signing import generate_key_pair
from model_quantization.limits import Limits
from model_quantization.serving.named_loaders import (
    EmailModelLoader,
    IntentModelLoader,
    ModelLoader,
)
from tests.serving.releases import ROWS, Releases

OPTIONS = {
    "trusted": ("somewhere:Thing",),
    "limits": Limits(file_bytes=1 << 24),
    "require_signature": False,
    "watch": 0.5,
    "shadow": 0.25,
    "shadow_limit": 0.1,
}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    made = Releases(tmp_path_factory.mktemp("models"))
    made.prepare(1)
    made.publish(1)
    return made


LOADERS: dict[str, Callable[[Releases], ModelLoader]] = {
    "by name": lambda releases: ModelLoader("intent", releases.models),
    "with options": lambda releases: ModelLoader("intent", releases.models, **OPTIONS),
    "named": lambda releases: IntentModelLoader(model_dir=releases.models, watch=True),
    "renamed": lambda releases: EmailModelLoader(
        False, str(releases.models), name="intent", shadow=1.0
    ),
}


def answers(loader: ModelLoader) -> tuple[str, list[str]]:
    return loader.status()["active"], list(loader.predict(ROWS))


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize(
    "copied",
    [
        lambda loader: pickle.loads(pickle.dumps(loader)),
        lambda loader: pickle.loads(pickle.dumps(loader, protocol=0)),
        lambda loader: pickle.loads(cloudpickle.dumps(loader)),
        copy.copy,
        copy.deepcopy,
    ],
    ids=["pickle", "protocol 0", "cloudpickle", "copy", "deepcopy"],
)
def test_a_copy_is_made_with_the_same_arguments(
    releases: Releases, kind: str, used: bool, copied: Callable[[ModelLoader], ModelLoader]
) -> None:
    loader = LOADERS[kind](releases)
    if used:
        assert answers(loader)[1] == list(releases.answers[1])
    other = copied(loader)
    assert type(other) is type(loader)
    assert other is not loader
    assert other._made_with == loader._made_with
    assert other._serving is None, "it loads the files itself"
    assert (other._watch is None) == (loader._watch is None)
    if other._watch is not None and loader._watch is not None:
        assert other._watch._seconds == loader._watch._seconds
    if other._shadow is not None and loader._shadow is not None:
        assert (other._shadow.share, other._shadow.limit) == (
            loader._shadow.share,
            loader._shadow.limit,
        )
    assert other.files == loader.files
    assert answers(other) == answers(loader)


def test_what_was_asked_for_last_is_kept(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models)
    loader.use_quantized_model(False)
    other = pickle.loads(pickle.dumps(loader))
    assert other.status()["active"] == "original"


def test_a_pickle_holds_neither_the_model_nor_a_key(releases: Releases, tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_bytes(generate_key_pair()[1])
    loader = ModelLoader("intent", releases.models, public_keys=(public,), require_signature=False)
    assert answers(loader)[0] == "quantized"
    data = pickle.dumps(loader)
    assert len(data) < 2000
    assert pickle.loads(data)._keys == loader._keys


class OwnLoader(ModelLoader):
    """A user's own, with arguments of its own."""

    def __init__(self, directory: Path, suffix: str = "") -> None:
        super().__init__(f"intent{suffix}", directory)


def test_a_subclass_with_other_arguments(releases: Releases) -> None:
    other = pickle.loads(pickle.dumps(OwnLoader(releases.models)))
    assert isinstance(other, OwnLoader)
    assert answers(other)[1] == list(releases.answers[1])


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_another_process_answers(releases: Releases, method: str) -> None:
    loader = ModelLoader("intent", releases.models)
    loader.status()
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(answers, (loader,)) == ("quantized", list(releases.answers[1]))


def test_workers_of_loky_answer(releases: Releases) -> None:
    loader = ModelLoader("intent", releases.models, watch=True, shadow=1.0)
    loader.status()
    halves = np.array_split(ROWS, 2)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(loader.predict)(half) for half in halves)
    assert [label for half in found for label in half] == list(releases.answers[1])
