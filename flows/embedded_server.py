"""The error, with advice, for a Prefect server that does not start or cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS

from model_quantization.errors import QuantizationError

SECONDS_VARIABLE = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"


# Prefect raises a plain RuntimeError for both.
_PREFECT_SAYS = ("ephemeral Prefect API server", "Failed to reach API")


class ServerUnavailable(QuantizationError, RuntimeError):
    """Prefect's server, which a flow run needs, does not answer."""


@contextmanager
def server_needed() -> Iterator[None]:
    """Start a flow in this block; a server that is not there raises `ServerUnavailable`.

    Without ``PREFECT_API_URL``, Prefect starts a server of its own for the run.

    Raises
    ------
    ServerUnavailable
        The embedded server did not start in time, or the configured one cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in _PREFECT_SAYS):
            raise
        raise _unavailable() from error
    except httpx.TransportError as error:
        raise _unavailable() from error


def _unavailable() -> ServerUnavailable:
    url = PREFECT_API_URL.value()
    if url:
        return ServerUnavailable(
            "the Prefect server cannot be reached",
            where="PREFECT_API_URL",
            got=str(url),
            do="start it with `make serve`, or unset the variable to use the embedded server",
        )
    seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    return ServerUnavailable(
        f"Prefect's embedded server did not start within {seconds} seconds",
        do=f"run again when the machine is less busy, raise {SECONDS_VARIABLE}, "
        "or start a server with `make serve` and set PREFECT_API_URL to it",
    )
