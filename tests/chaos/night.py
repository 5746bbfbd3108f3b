"""One run as a process, which prints its progress; another process kills it.

    python -m tests.chaos.night (loop | flow) CONFIG LOG [STEP (before | after) [CALL]]

`loop` is `run_batch`, `flow` the Prefect flow with a server of its own. On stdout: `ready` when all
is imported, `publishing` when the models are done, `release N` at the end. In LOG: a line for each
model that is begun, `<name> <sha256 of its file>`. With a STEP (`module:function` as its caller
knows it, or `module:Class.method`), the process kills itself there, at its first or CALLth call.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from model_quantization.batch import run as batch
from model_quantization.config.file import load_config
from model_quantization.errors import QuantizationError
from model_quantization.report import publication
from model_quantization.report.page import document as page


def main(kind: str, config: str, log: str, step: str = "", when: str = "", call: str = "1") -> int:
    """The exit code; 3 when the run refused by name."""
    places = [batch]
    if kind == "flow":
        from tasks import quantization, report

        places += [quantization, report]
    for place in places:
        _note_beginnings(place, Path(log))
        _tell_publishing(place)
    if step:
        _replace(step, lambda real: _deadly(real, when, int(call)))
    _say("ready")
    try:
        return _flow(config) if kind == "flow" else _loop(config)
    except QuantizationError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3


def _loop(config: str) -> int:
    result = batch.run_batch(load_config(Path(config), environ={}))
    for outcome in result.shortfalls(strict=False):
        print(f"{outcome.name}: {outcome.reason}: {outcome.note}", file=sys.stderr)
    _say(f"release {result.release.number}")
    return 0


def _flow(config: str) -> int:
    from flows.command_line import main as command
    from flows.quantize_models import quantize_models

    code = command(quantize_models, ["--config", config])
    _say("release")
    return code


def _note_beginnings(place: Any, log: Path) -> None:
    real = getattr(place, "quantize_job", None)
    if real is None:
        return

    def noted(job: Any) -> Any:
        with log.open("a") as stream:
            stream.write(f"{job.name} {job.source_sha256}\n")
        return real(job)

    place.quantize_job = noted


def _tell_publishing(place: Any) -> None:
    real = getattr(place, "finish_batch", None)
    if real is None:
        return

    def told(*arguments: Any, **options: Any) -> Any:
        _say("publishing")
        return real(*arguments, **options)

    place.finish_batch = told


def _replace(step: str, change: Callable[[Any], Any]) -> None:
    module, _, name = step.partition(":")
    owner: Any = import_module(module)
    *classes, last = name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    setattr(owner, last, change(getattr(owner, last)))


def _deadly(real: Any, when: str, last: int) -> Any:
    calls = 0

    def deadly(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **options)
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return deadly


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


assert page  # drawing is imported before `ready`, or a kill would meet the import far too often
assert publication

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
