"""The cost of loading one model file in a process that has loaded nothing yet.

Run as `python -m model_quantization.pipeline.child.load_cost FILE [TRUSTED ...]`; prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Print the seconds until the model is loaded, and how far resident memory rose."""
    path, trusted = Path(arguments[0]), tuple(arguments[1:])
    before = _resident_bytes()
    started = time.perf_counter()
    if path.suffix == ".qma":
        from model_quantization.predictor.opening import load

        model = load(path, trusted=trusted)
    else:
        from model_quantization.loading.pickles.original import load_original
        from model_quantization.trust import TrustPolicy

        model = load_original(path, trust=TrustPolicy(frozenset(trusted)))
    seconds = time.perf_counter() - started
    json.dump({"seconds": seconds, "resident_bytes": _resident_bytes() - before}, sys.stdout)
    del model


def _resident_bytes() -> int:
    # Not the peak, if there is another figure: on Linux a child inherits the parent's peak.
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
