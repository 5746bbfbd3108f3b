"""A webhook on loopback that writes every alert to the log, one line per alert."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGEST_ALERT_BYTES = 1 << 20
_log = logging.getLogger("flows.alerts")


def log_alert(alert: dict[str, Any]) -> None:
    """Write the alert to the log, as one line."""
    _log.warning("%s", " ".join(str(alert.get("text") or json.dumps(alert)).split()))


@contextmanager
def receive_alerts(
    port: int = 0, receive: Callable[[dict[str, Any]], None] = log_alert
) -> Iterator[str]:
    """Yield an address for alerts; until the block ends, a thread calls `receive` with each."""

    class Receiver(BaseHTTPRequestHandler):
        """Accepts JSON objects by POST, and nothing else."""

        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LARGEST_ALERT_BYTES:
                self.send_error(413)
                return
            try:
                alert = json.loads(self.rfile.read(int(length)))
            except ValueError:
                alert = None
            if not isinstance(alert, dict):
                self.send_error(400, "a JSON object is needed")
                return
            receive(alert)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing: `receive` handles the alert."""

    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, name="alerts", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
