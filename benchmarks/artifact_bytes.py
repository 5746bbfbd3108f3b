"""Digests of the artifacts of a directory of models and of the golden samples, to compare commits.

Run as ``python -m benchmarks.artifact_bytes --models demo/models --held-out demo/holdout
--write before.json`` at one commit, and with ``--compare before.json`` at another. A change of
layout must not change a byte: the second call lists what differs and then exits with 1.

The golden samples are made again from their sources, not read from the committed files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path

from model_quantization.api import quantize_model_file
from tests.artifact.samples import BOOSTERS, FILES

DEPTHS: tuple[int | str, ...] = (8, 16, "exact")
MODEL_FILES = (".pkl", ".joblib")


def golden_digests() -> dict[str, str]:
    """Return the sha256 of each golden sample, made again; names missing libraries."""
    found = {}
    for name, make in (FILES | BOOSTERS).items():
        try:
            digest = hashlib.sha256(make()).hexdigest()
        except ModuleNotFoundError as error:
            digest = f"not made: {error}"
        found[f"golden/{name}"] = digest
        print(f"{name:39} {digest[:24]}", flush=True)
    return found


def model_digests(models: Path, held_out: Path) -> dict[str, str]:
    """Return the sha256 of each model's artifact at each bit depth, or why it failed."""
    found: dict[str, str] = {}
    for source in sorted(path for path in models.iterdir() if path.suffix in MODEL_FILES):
        rows = next(iter(sorted(held_out.glob(f"{source.stem}.*"))), None)
        for depth in DEPTHS:
            with tempfile.TemporaryDirectory() as folder:
                artifact = Path(folder) / "model.qma"
                outcome = quantize_model_file(source, artifact, depth, held_out=rows)
                if outcome["output_path"] is None:
                    digest = f"{outcome['status']} {outcome['reason']}"
                else:
                    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
            found[f"{source.name}/{depth}"] = digest
            print(f"{source.name:32} {depth!s:6} {digest[:24]}", flush=True)
    return found


def main() -> int:
    """Write or compare the digests; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("demo/models"))
    parser.add_argument("--held-out", type=Path, default=Path("demo/holdout"))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    found = golden_digests() | model_digests(arguments.models, arguments.held_out)
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")
    if not arguments.compare:
        return 0
    before = json.loads(arguments.compare.read_text("utf-8"))
    differing = sorted(
        name for name in before.keys() | found.keys() if before.get(name) != found.get(name)
    )
    print(f"{len(found) - len(differing)} of {len(before)} the same")
    for name in differing:
        print(f"differs: {name}: {before.get(name)} -> {found.get(name)}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
