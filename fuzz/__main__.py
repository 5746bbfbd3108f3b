"""Coverage-guided fuzzing with atheris (the extra `fuzz`).

    python -m fuzz --seconds 600            every target in turn, so many seconds in all
    python -m fuzz scanner -max_total_time=60    one target, with libFuzzer's own options

An input that is found lies in fuzz/regressions/<target>/; the tests replay what is there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent
CORPUS = ROOT / "corpus"
REGRESSIONS = ROOT / "regressions"
MEMORY_MIB = 1024
SECONDS_AN_INPUT = 20


def main() -> int:
    """The exit code: 1 when anything was found."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith("--"):
        return _fuzz(sys.argv[1], sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    parser.add_argument("--targets", nargs="*", default=[], help="only these")
    arguments = parser.parse_args()
    return _run_all(arguments.seconds, arguments.targets)


def _run_all(seconds: float, only: list[str]) -> int:
    from fuzz.targets import TARGETS

    names = only or list(TARGETS)
    total = found = 0
    started = time.monotonic()
    for name in names:
        share = max(1, int(seconds / len(names)))
        command = [
            sys.executable, "-m", "fuzz", name, f"-max_total_time={share}",
            "-print_final_stats=1", "-verbosity=0",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        count = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
        memory = re.search(r"peak_rss_mb:\s*(\d+)", done.stderr)
        executions = int(count[1]) if count else 0
        total += executions
        state = "ok" if done.returncode == 0 else f"FOUND (exit {done.returncode})"
        peak = f"{memory[1]} MiB" if memory else "?"
        print(f"{name:16} {executions:>10,} executions  peak {peak:>9}  {state}", flush=True)
        if done.returncode:
            found += 1
            print(done.stderr[-4000:], flush=True)
    print(f"{total:,} executions in {time.monotonic() - started:.0f} s, {found} findings")
    return int(found > 0)


def _fuzz(name: str, options: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["model_quantization"]):
        from fuzz.targets import TARGETS
    from fuzz.seeds import seeds_of

    corpus, kept = CORPUS / name, REGRESSIONS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds_of(name)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
        TARGETS[name](seed)  # imports now what would count as a slow input later
    limits = [f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={SECONDS_AN_INPUT}", "-max_len=65536"]
    kept.mkdir(parents=True, exist_ok=True)
    places = [f"-artifact_prefix={kept}/", str(corpus), str(kept)]
    atheris.Setup([sys.argv[0], *limits, *options, *places], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
