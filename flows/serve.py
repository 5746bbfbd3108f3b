"""`make serve`: a Prefect server, a worker and the deployments on this machine.

    python -m flows.serve --port 4200

Everything listens on loopback only and stores its data in one directory (by default `.prefect` of
the project). Ctrl-C or SIGTERM ends the worker, its runs and the server. The next start marks an
unfinished run as crashed; the next run continues where it stopped. A worker that dies is started
again, a few times; when it keeps dying, or the server does, this program ends with 1.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.states import Crashed

from flows.alert_log import receive_alerts
from flows.automations import POOL, SILENCE_SECONDS, ensure_automations
from flows.health import answers, online_workers
from flows.prefect_settings import CODE, IN_CHECKOUT, project_directory, settings
from flows.processes import ProcessFailed, kept_process, run_to_end, wait_until
from flows.supervision import Supervision, teller

START_SECONDS = 180.0
_log = logging.getLogger("flows.serve")


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine: its port, the directory of all its data, and its project."""

    port: int
    home: Path
    project: Path

    @property
    def url(self) -> str:
        """The address of the user interface."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment of every process, with the settings of `flows/prefect.toml`."""
        path = [str(CODE)] if IN_CHECKOUT else []
        path += filter(None, [os.environ.get("PYTHONPATH")])
        return (
            settings()
            | os.environ
            | {
                "PREFECT_HOME": str(self.home),
                "PREFECT_API_URL": f"{self.url}/api",
                "PREFECT_UI_URL": self.url,
                # Without it, pages of a server on another port would use the API on port 4200.
                "PREFECT_SERVER_UI_API_URL": f"{self.url}/api",
                "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(self.home / "results"),
                "PYTHONPATH": os.pathsep.join(path),
                "PYTHONUNBUFFERED": "1",
            }
        )


@contextmanager
def serving(
    server: LocalServer, webhooks: Mapping[str, str], *, silence_seconds: int = SILENCE_SECONDS
) -> Iterator[Supervision]:
    """Run server, work pool, deployments, automations and worker until the block ends.

    Yields their supervision; call its `watch`.

    Raises
    ------
    ProcessFailed
        One of them did not start; the message has its last lines of output.
    """
    server.home.mkdir(parents=True, exist_ok=True)
    environment = server.environment()
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]

    def run(*words: str) -> None:
        run_to_end([*prefect, *words], cwd=server.project, env=environment, seconds=START_SECONDS)

    start_server = [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(server.port)]
    server_log, worker_log = server.home / "server.log", server.home / "worker.log"
    with (
        kept_process(
            "server", start_server, log=server_log, cwd=server.project, env=environment
        ) as server_process,
        temporary_settings({PREFECT_API_URL: f"{server.url}/api", PREFECT_HOME: server.home}),
    ):
        wait_until(
            lambda: answers(f"{server.url}/api/health"),
            server_process,
            name="server",
            log=server_log,
            seconds=START_SECONDS,
        )
        run("work-pool", "create", POOL, "--type", "process", "--overwrite")
        run("deploy", "--all")
        # A worker that has died stays in the stack: its runs continue, and end with the rest.
        with get_client(sync_client=True) as client, ExitStack() as workers:
            ensure_automations(client, webhooks, silence_seconds=silence_seconds)
            for name in settle_lost_runs(client):
                _log.warning(
                    "run %s was unfinished when the server stopped: marked as crashed", name
                )

            def start_worker(number: int) -> subprocess.Popen[bytes]:
                # Each has its own name, because the server shows a dead one as online for a while.
                name = f"worker-{os.getpid()}-{number}"
                command = [*prefect, "worker", "start", "--pool", POOL, "--name", name]
                worker = workers.enter_context(
                    kept_process(
                        "worker", command, log=worker_log, cwd=server.project, env=environment
                    )
                )
                wait_until(
                    lambda: name in online_workers(client),
                    worker,
                    name="worker",
                    log=worker_log,
                    seconds=START_SECONDS,
                )
                return worker

            supervision = Supervision(
                server_process, server_log, worker_log, start_worker, teller(webhooks.values())
            )
            supervision.start()
            yield supervision


def settle_lost_runs(client: SyncPrefectClient) -> list[str]:
    """Mark every unfinished run of the pool as crashed, and return their names.

    Call it on a server that has just started and has no worker yet. Its database still shows the
    runs of the previous server as running, and no other run of their deployments could start.
    """
    running = FlowRunFilter(
        state=FlowRunFilterState(
            type=FlowRunFilterStateType(
                any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
            )
        )
    )
    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    lost = client.read_flow_runs(flow_run_filter=running, work_pool_filter=pool)
    for run in lost:
        message = "the server stopped during this run; the next run continues where it stopped"
        client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    return [run.name for run in lost]


def free_port() -> int:
    """Return a port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--port", type=int, default=4200, help="0: any free port (default 4200)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="default: .prefect of the project")
    parser.add_argument(
        "--webhook",
        default=os.environ.get("QUANTIZATION_ALERT_WEBHOOK"),
        metavar="URL",
        help="also send alerts there ($QUANTIZATION_ALERT_WEBHOOK)",
    )
    parser.add_argument(
        "--silence-seconds",
        type=int,
        default=SILENCE_SECONDS,
        metavar="N",
        help=f"seconds without a heartbeat after which a run is dead (default {SILENCE_SECONDS})",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM and return 0.

    Return 1 when something did not start, when the server died, or the worker too often; 2 outside
    a project.
    """
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(format="%(asctime)s  %(message)s", level=logging.INFO, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    project = project_directory()
    if project is None:
        print(
            f"error: {Path.cwd()} is not in a project: there is no prefect.yaml with "
            "configs/nightly.yaml; start one with `model-quantization init`, and run this there",
            file=sys.stderr,
        )
        return 2
    home = arguments.home or project / ".prefect"
    server = LocalServer(arguments.port or free_port(), home.absolute(), project)
    if not is_free(server.port):
        print(f"error: port {server.port} is taken; choose another with --port", file=sys.stderr)
        return 1
    webhooks = {"webhook": arguments.webhook} if arguments.webhook else {}
    stop = threading.Event()
    try:
        # Before the start: KeyboardInterrupt then ends whatever has started so far.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _log.info("starting; this takes half a minute, and longer the first time")
        with (
            receive_alerts() as log_address,
            serving(
                server, {"log": log_address} | webhooks, silence_seconds=arguments.silence_seconds
            ) as supervision,
        ):
            _log.info("ready: %s  (logs and data in %s; Ctrl-C stops)", server.url, server.home)
            supervision.watch(stop)
    except KeyboardInterrupt:
        _log.info("stopped")
        return 0
    except ProcessFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    raise AssertionError("nothing sets the event: only a signal ends the wait")


if __name__ == "__main__":
    sys.exit(main())
