"""Keeps results with what they were measured by: command, date, machine, load and versions."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PROVENANCE = RESULTS / "provenance.json"
# Libraries that figures depend on, and the peers; missing ones are left out.
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "joblib",
    "prefect",
    "dask",
    "ray",
    "lightgbm",
    "xgboost",
    "xgboost-cpu",
    "catboost",
    "onnxruntime",
    "skl2onnx",
    "onnx",
    "treelite",
    "lleaves",
    "scikit-learn-intelex",
    "faiss-cpu",
    "prometheus-client",
    "opentelemetry-api",
)


def keep(path: Path, results: Any) -> None:
    """Write results as JSON; in benchmarks/results, also note what they were measured by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if path.resolve().parent != RESULTS.resolve():
        return
    known = json.loads(PROVENANCE.read_text("utf-8")) if PROVENANCE.exists() else {}
    known[path.name] = measured_by()
    PROVENANCE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def measured_by() -> dict[str, Any]:
    """Return the command, the day, the machine, how busy it is, and the versions of libraries."""
    module = Path(sys.argv[0]).stem
    command = " ".join(("python -m", f"benchmarks.{module}", *sys.argv[1:]))
    cores = os.cpu_count() or 1
    waiting = os.getloadavg()[0]
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}",
        "load": f"{'busy' if waiting > cores * 0.75 else 'idle'}, {waiting:.1f} tasks at the end",
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
