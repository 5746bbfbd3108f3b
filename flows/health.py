"""The health check of a server with its worker, for systemd, containers and monitoring.

    python -m flows.health --url http://127.0.0.1:4200

prints one line and exits with 0 when the server answers, a worker of the pool is online, and no run
is late; else with 1. It uses the server of `PREFECT_API_URL` where no URL is given.
"""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.automations import POOL


def answers(url: str) -> bool:
    """Return whether a page answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def online_workers(client: SyncPrefectClient) -> set[str]:
    """Return the names of the pool's workers that gave a sign of life lately."""
    response = client._client.post(f"/work_pools/{POOL}/workers/filter", json={})
    return {worker["name"] for worker in response.json() if worker["status"] == "ONLINE"}


def faults(client: SyncPrefectClient) -> Iterator[str]:
    """Yield what is wrong, one clause each."""
    if not online_workers(client):
        yield f"no worker of the pool {POOL} is online"
    late = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"]))
        ),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
    )
    if late:
        yield f"{len(late)} run{'s are' if len(late) > 1 else ' is'} late"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the state, and return 0 when all is well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.health", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--url", help="of the server (default: PREFECT_API_URL, or port 4200)")
    arguments = parser.parse_args(argv)
    given = arguments.url or os.environ.get("PREFECT_API_URL") or "http://127.0.0.1:4200"
    api = f"{given.rstrip('/').removesuffix('/api')}/api"
    if not answers(f"{api}/health"):
        print(f"unhealthy: no Prefect server answers at {api}")
        return 1
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            wrong = list(faults(client))
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        wrong = [f"the server does not say ({type(error).__name__})"]
    print(f"unhealthy: {'; '.join(wrong)}" if wrong else f"healthy: {api}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
