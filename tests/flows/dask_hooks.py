"""Hooks as a plugin, which a restarted worker of Dask has as well."""

from __future__ import annotations

from distributed import Worker, WorkerPlugin

from tests.flows.worker_hooks import Deadly


class DeadlyPlugin(WorkerPlugin):
    """`Deadly`, on every worker."""

    def __init__(self, deadly: Deadly) -> None:
        self.deadly = deadly

    def setup(self, worker: Worker) -> None:
        """Put the hook in place."""
        self.deadly.install()
