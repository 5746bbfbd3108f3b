"""A night with many models: Prefect's share, the nights after it, and the memory of the flow.

    python -m benchmarks.operations --models 1000

The flow runs as people run it, as its own process with an embedded server in a fresh home, and
it is compared with the simple loop over the same models. Then: a second night with nothing
changed, a third with ten changed models. Memory is the largest resident set of the flow process,
without its children and the server.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.flow_overhead import PROJECT, write_models
from benchmarks.kept import keep

RESULTS = PROJECT / "benchmarks" / "results" / "operations.json"
LARGEST_SHARE = 0.15
LARGEST_SECOND_NIGHT_SECONDS = 20.0
LARGEST_MEMORY_MB = 600.0
CHANGED = 10
_LOOP = (
    "import sys; from model_quantization.batch.run import run_batch;"
    "from model_quantization.config.file import load_config;"
    "print(len(run_batch(load_config(sys.argv[1])).outcomes))"
)


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """(seconds, largest resident set in MB, output) of a command that ends well."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=environment, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT
        )
        peak: list[float] = [0.0]

        def watch() -> None:
            status = Path(f"/proc/{process.pid}/status")
            while process.poll() is None:
                try:
                    text = status.read_text()
                except OSError:
                    return
                for line in text.splitlines():
                    if line.startswith("VmHWM:"):
                        peak[0] = max(peak[0], int(line.split()[1]) / 1000)
                time.sleep(0.2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - started
        watcher.join()
        output.seek(0)
        text = output.read()
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}:\n{text[-3000:]}")
    return seconds, peak[0], text


def change_models(models: Path) -> list[str]:
    """The names of `CHANGED` models, spread evenly, that are other models now."""
    paths = sorted(models.glob("*.pkl"))
    chosen = paths[:: max(len(paths) // CHANGED, 1)][:CHANGED]
    for path in chosen:
        model = pickle.loads(path.read_bytes())
        model.coef_ = model.coef_ * 1.0001
        path.write_bytes(pickle.dumps(model))
    return [path.stem for path in chosen]


def released(output: Path) -> dict[str, str]:
    """Source hash by model of the current release."""
    record = json.loads((output / "manifest.json").read_text())
    return {name: model["source_sha256"] for name, model in record["models"].items()}


def measure(root: Path, count: int, workers: int, *, loop: bool) -> dict[str, Any]:
    """Every figure of one night after the other."""
    models, held_out = write_models(root / "many", count)
    environment = os.environ | {
        "PREFECT_HOME": str(root / "prefect"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
    }

    def config(name: str) -> str:
        path = root / f"{name}.yaml"
        settings = {
            "model_dir": str(models),
            "holdout_dir": str(held_out),
            "output_dir": str(root / name),
            "latency_seconds": 0,
            "n_workers": workers,
        }
        path.write_text(json.dumps(settings))
        return str(path)

    flow = [sys.executable, "-m", "flows.quantize_models", "--config", config("flow")]
    empty = root / "empty"
    empty.mkdir()
    idle = [*flow, "--model-dir", str(empty), "--output-dir", str(root / "idle")]
    run(idle, environment)  # migrations of the fresh database
    figures: dict[str, Any] = {"models": count, "workers": workers}
    figures["idle_seconds"], _, _ = run(idle, environment)
    if loop:
        command = [sys.executable, "-c", _LOOP, config("loop")]
        figures["loop_seconds"], figures["loop_memory_mb"], _ = run(command, environment)
    figures["first_seconds"], figures["first_memory_mb"], _ = run(flow, environment)
    before = released(root / "flow")
    figures["unchanged_seconds"], figures["unchanged_memory_mb"], _ = run(flow, environment)
    if released(root / "flow") != before:
        sys.exit("a night with nothing changed published something")
    changed = change_models(models)
    _, _, plan = run([*flow, "--dry-run"], environment)
    planned = [line.split()[1].rstrip(":") for line in plan.splitlines() if "quantize  " in line]
    figures["changed_seconds"], _, _ = run(flow, environment)
    after = released(root / "flow")
    figures["changed_done"] = sum(after[name] != before[name] for name in after)
    if sorted(planned) != sorted(changed):
        sys.exit(f"{len(changed)} models changed, and {len(planned)} were to be done")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--no-loop", action="store_true", help="without the plain loop: no share of Prefect's"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(
            Path(directory), arguments.models, arguments.workers, loop=not arguments.no_loop
        )
    rows = [
        ("a flow with nothing to do, server included", f"{figures['idle_seconds']:.1f} s"),
        ("first night", f"{figures['first_seconds']:.1f} s"),
    ]
    if not arguments.no_loop:
        figures["prefect_share"] = 1 - figures["loop_seconds"] / figures["first_seconds"]
        rows += [
            ("... the plain loop", f"{figures['loop_seconds']:.1f} s"),
            (
                f"... Prefect's share (at most {LARGEST_SHARE:.0%})",
                f"{figures['prefect_share']:.1%}",
            ),
        ]
    rows += [
        (
            f"second night, nothing changed (at most {LARGEST_SECOND_NIGHT_SECONDS:.0f} s)",
            f"{figures['unchanged_seconds']:.1f} s",
        ),
        (f"third night, {CHANGED} changed", f"{figures['changed_seconds']:.1f} s"),
        ("... of which done", f"{figures['changed_done']}"),
        (
            f"memory of the flow process (at most {LARGEST_MEMORY_MB:.0f} MB)",
            f"{figures['first_memory_mb']:.0f} MB",
        ),
    ]
    print(f"{figures['models']} models, {figures['workers']} workers")
    for name, value in rows:
        print(f"{name:<56}{value:>10}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(arguments.output.read_text()) if arguments.output.exists() else {}
    known[str(arguments.models)] = {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    keep(arguments.output, known)


if __name__ == "__main__":
    main()
