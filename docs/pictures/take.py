"""Takes the pictures of docs/operations.md: a real server, a real run, a real browser.

    python docs/pictures/take.py

Needs chromium and playwright, and the models of `make demo`. Everything stays on loopback, and
the release goes to a temporary directory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from prefect.client.orchestration import get_client  # noqa: E402

from flows.serve import LocalServer, free_port, serving  # noqa: E402
from tests.operations import pages  # noqa: E402

LARGEST_BYTES = 250_000
RUN_SECONDS = 600


def main() -> int:
    """The exit code; prints what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--output", type=Path, default=PROJECT / "docs" / "pictures")
    arguments = parser.parse_args()
    if why := pages.why_no_browser():
        print(f"error: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        server = LocalServer(free_port(), Path(directory) / "prefect", PROJECT)
        with (
            serving(server, {}),
            get_client(sync_client=True) as client,
            pages.browser_page(width=1200, height=1000) as page,
        ):
            deployment = client.read_deployment_by_name("quantize-models/manual").id
            pages.open_form(page, server.url, deployment)
            page.get_by_label("Configuration").fill(arguments.config)
            pages.choose(page, "Bit depth", "16")
            _take(page, arguments.output / "form.png")
            run = client.create_flow_run_from_deployment(
                deployment,
                name="demonstration",
                parameters={
                    "config_path": arguments.config,
                    "output_dir": str(Path(directory) / "quantized"),
                    "bit_depth": "16",
                },
            )
            deadline = time.monotonic() + RUN_SECONDS
            while not client.read_flow_run(run.id).state.is_final():
                if time.monotonic() > deadline:
                    print("error: the run did not end", file=sys.stderr)
                    return 1
                time.sleep(1)
            time.sleep(5)  # the server writes task runs down a moment later
            pages.open_run(page, server.url, run.id, tab="TaskRuns")
            page.get_by_text("evaluate ").first.wait_for()
            page.wait_for_timeout(3000)  # the diagram is drawn piece by piece
            _take(page, arguments.output / "run.png")
            table = next(
                item.id
                for item in client.read_artifacts()
                if item.flow_run_id == run.id and item.key == "quantization-summary"
            )
            pages.open_artifact(page, server.url, table)
            page.wait_for_timeout(1000)
            _take(page, arguments.output / "table.png")
    return 0


def _take(page: object, path: Path) -> None:
    pages.save_picture(page, path)
    size_bytes = path.stat().st_size
    if size_bytes > LARGEST_BYTES:
        raise SystemExit(f"{path} has {size_bytes} bytes, at most {LARGEST_BYTES} are wanted")
    print(f"{path}: {size_bytes} bytes")


if __name__ == "__main__":
    sys.exit(main())
