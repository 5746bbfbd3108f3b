"""SIGKILL at any moment: the release is the old one or the new one, and the next run goes on."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_quantization.batch.plan import plan_batch
from model_quantization.commands.application import main
from model_quantization.config.file import load_config
from tests.chaos.directory import ModelDirectory
from tests.chaos.survival import (
    Published,
    begun,
    check_complete,
    finished,
    night,
    run_night,
)


@dataclass
class Siege:
    """Runs over one directory, most of which are killed.

    Attributes
    ----------
    kills, nights : int
        Runs that were killed, and those that went through before they were.
    releases : set of int
        What was published when it was looked at.
    """

    directory: ModelDirectory
    chance: random.Random
    kind: str = "loop"
    kills: int = 0
    nights: int = 0
    releases: set[int] = field(default_factory=set)

    def attack(self, phase: str, seconds: float) -> None:
        """Start a run and kill it so long after it said the phase's line, if it still runs."""
        published, held = Published(self.directory), finished(self.directory)
        with night(self.directory, self.kind) as run:
            known = len(begun(run.log))
            reached = run.wait_for(phase, published.glance)
            if not reached or run.is_over_after(seconds, published.glance):
                assert run.end() == 0, (self.directory.config.parent / "stderr.log").read_text()
                self.nights += 1
            else:
                assert run.kill() == -9
                self.kills += 1
            release = published.check()
            assert not set(begun(run.log)[known:]) & held
        if release is not None:
            self.releases.add(release.number)

    def survive(self) -> None:
        """A run that goes through: nothing is lost, left over or done twice."""
        held, log = finished(self.directory), self.directory.config.parent / "begun.log"
        known = len(begun(log))
        assert run_night(self.directory, self.kind) == 0
        check_complete(self.directory)
        again = begun(log)[known:]
        assert not set(again) & held and len(set(again)) == len(again)
        assert plan_batch(load_config(self.directory.config, environ={})).jobs == ()


@pytest.mark.bad_input(57)
def test_a_few_kills(tmp_path: Path) -> None:
    siege = Siege(ModelDirectory(tmp_path), random.Random(1))
    siege.directory.write(range(12), 0)
    siege.attack("ready", siege.chance.uniform(2.5, 3.2))
    for _ in range(2):
        siege.attack("publishing", siege.chance.uniform(0.0, 0.6))
    siege.directory.write((3, 10), 1)
    siege.directory.remove(5)
    for _ in range(2):
        siege.attack("publishing", siege.chance.uniform(0.0, 0.6))
    siege.survive()
    assert siege.kills >= 3
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
@pytest.mark.bad_input(57)
def test_fifty_kills_over_a_hundred_models(tmp_path: Path) -> None:
    siege = Siege(ModelDirectory(tmp_path), random.Random(50))
    directory, chance = siege.directory, siege.chance
    directory.write(range(100), 0)
    revision = 0
    while siege.kills < 50:
        if chance.random() < 0.3:
            revision += 1
            directory.write(chance.sample(range(100), 8), revision)
        phase, longest = chance.choice((("ready", 9.0), ("publishing", 2.5)))
        siege.attack(phase, chance.uniform(0.0, longest))
    directory.write(range(100), revision + 1)
    siege.attack("ready", 6.0)
    siege.survive()
    print(f"{siege.kills} kills, {siege.nights} runs went through, {len(siege.releases)} releases")
    assert len(siege.releases) > 5
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
@pytest.mark.bad_input(57)
def test_the_flow_is_killed(tmp_path: Path) -> None:
    siege = Siege(ModelDirectory(tmp_path), random.Random(5), "flow")
    siege.directory.write(range(12), 0)
    siege.attack("ready", siege.chance.uniform(0.0, 15.0))
    siege.attack("ready", siege.chance.uniform(15.0, 25.0))
    siege.attack("publishing", siege.chance.uniform(0.0, 0.5))
    siege.directory.write((3, 10), 1)
    for _ in range(3):
        siege.attack("publishing", siege.chance.uniform(0.0, 1.5))
    assert siege.kills >= 4
    siege.survive()


# What a run does, in its order, each under the name that its caller knows it by.
_STEPS = {
    "discovery": "model_quantization.batch.plan:discover",
    "hashing": "model_quantization.batch.plan:hash_file",
    "held-out data": "model_quantization.batch.plan:find_held_out",
    "plan of the run": "model_quantization.batch.run:plan_batch",
    "scan": "model_quantization.pipeline.stages:scan",
    "load": "model_quantization.pipeline.stages:ask_original",
    "prepare": "model_quantization.pipeline.stages:prepare_graph",
    "plan": "model_quantization.pipeline.stages:make_plan",
    "keep exact": "model_quantization.pipeline.stages:keep_exact_where_smaller",
    "encode and write": "model_quantization.pipeline.stages:write_artifact",
    "quantize": "model_quantization.batch.run:quantize_stage",
    "ask the artifact": "model_quantization.pipeline.evaluator:ask_candidate",
    "evaluate": "model_quantization.pipeline.evaluator:evaluate",
    "decide": "model_quantization.pipeline.stages:Evaluator.decide",
    "judge": "model_quantization.batch.run:evaluate_stage",
    "move the artifact": "model_quantization.release.objects:move_durably",
    "store the artifact": "model_quantization.batch.run:store_artifact",
    "finished record": "model_quantization.batch.run:write_json",
    "kept manifest": "model_quantization.release.publish:write_json",
    "manifest": "model_quantization.release.publish:write_json 2",
    "statistics": "model_quantization.release.publish:write_json 3",
    "name of an artifact": "model_quantization.release.publish:link_atomically",
    "second name": "model_quantization.release.publish:link_atomically 2",
    "table": "model_quantization.release.publish:write_atomically",
    "names and tables": "model_quantization.release.publish:_follow",
    "sweep": "model_quantization.release.publish:remove_unreferenced",
    "publish": "model_quantization.batch.run:publish",
    "history": "model_quantization.report.history:write_atomically",
    "page": "model_quantization.report.publication:render_page",
    "report": "model_quantization.report.publication:write_reports",
}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.bad_input(57)
def test_killed_inside_a_step(step: str, when: str, tmp_path: Path) -> None:
    where, _, call = _STEPS[step].partition(" ")
    directory = ModelDirectory(tmp_path)
    directory.write((1, 2, 9, 10), 0)
    assert run_night(directory) == 0
    directory.write((2, 10), 1)
    directory.remove(1)
    published = Published(directory)
    assert run_night(directory, "loop", where, when, call or "1") == -9
    published.check()
    assert run_night(directory) == 0
    assert check_complete(directory).number == 2


@pytest.mark.slow
@pytest.mark.bad_input(57)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step",
    ["model_quantization.batch.run:sign_outcome",
     "model_quantization.release.signer:write_atomically",
     "model_quantization.batch.run:write_json", "model_quantization.release.publish:write_json"],
)  # fmt: skip
def test_killed_while_signing(step: str, when: str, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="the extra `signing` is not installed")
    directory = ModelDirectory(tmp_path)
    assert main(["keygen", str(tmp_path / "key.pem")]) == 0
    with directory.config.open("a") as stream:
        stream.write(f"signing_key: {tmp_path / 'key.pem'}\n")
    directory.write((1, 2), 0)
    assert run_night(directory, "loop") == 0
    directory.write((2,), 1)
    published = Published(directory)
    assert run_night(directory, "loop", step, when) == -9
    published.check()
    assert run_night(directory) == 0
    assert check_complete(directory).key_id
    key = str(tmp_path / "key.pub.pem")
    assert main(["verify", str(directory.output), "--public-key", key]) == 0
