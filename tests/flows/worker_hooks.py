"""What the tests of clusters do to workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from model_quantization.batch import shards
from model_quantization.batch.plan import Job
from model_quantization.outcome import Outcome

REAL_RUN_JOB = shards.run_job


class Deadly:
    """Workers write down each job that they begin, and die at one of them.

    Parameters
    ----------
    log : str
        The file they write to.
    name : str
        The job they die at.
    deaths : int
        How many of them do.
    """

    def __init__(self, log: str, name: str, deaths: int) -> None:
        self.log = Path(log)
        self.victim = name
        self.deaths = deaths

    def install(self) -> None:
        """Put the hook in place, in this process."""
        shards.run_job = self._run_job

    def _run_job(self, job: Job) -> Outcome:
        with self.log.open("a") as stream:
            stream.write(f"{job.name}\n")
        begun = self.log.read_text().splitlines().count(self.victim)
        if job.name == self.victim and begun <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return REAL_RUN_JOB(job)
