"""An S3 server on loopback, for the tests of directories in object storage."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

import pytest


@contextmanager
def s3_server(cache: Path) -> Iterator[Any]:
    """A file system of the server, with the environment that makes it everyone's store."""
    moto = pytest.importorskip("moto.server", reason="the extra `test-s3` is not installed")
    pytest.importorskip("s3fs", reason="the extra `s3` is not installed")
    import fsspec

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # Buckets outlive a server: moto keeps them for the process.
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST"), timeout=10).close()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ML_CACHE_DIR": str(cache),
    }
    with patch.dict(os.environ, environment):
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield fsspec.filesystem("s3", use_listings_cache=False)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()
