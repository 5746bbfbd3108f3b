"""Clusters: native code multiplies rows by centres, on as many threads as the state says."""

from __future__ import annotations

from typing import Any

from model_quantization.estimators.checks.errors import refuse

MAX_THREADS = 1 << 12


def check_centers(args: list[Any], state: Any, path: str) -> None:
    """Refuse centres of another width than the rows, or threads that cannot be started.

    OpenMP ends the whole process when it cannot have its threads.
    """
    threads = state.get("_n_threads", 1)
    if type(threads) is not int or not 0 < threads <= MAX_THREADS:
        refuse(path, "a number of threads out of range", repr(threads)[:80])
    centers = state.get("cluster_centers_")
    if centers is not None and centers.shape[1:] != (state["n_features_in_"],):
        refuse(path, "centres of another width than the rows", str(centers.shape))
