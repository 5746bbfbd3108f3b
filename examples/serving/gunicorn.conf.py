"""Gunicorn, several processes: the models are loaded once, before the fork, and shared."""

import os

worker_class = "asgi"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
bind = os.environ.get("BIND", "127.0.0.1:8000")
preload_app = True
timeout = 30
graceful_timeout = 20
# A worker that was asked much is replaced now and then, not all of them at once.
max_requests = int(os.environ.get("MAX_REQUESTS", "0"))
max_requests_jitter = max_requests // 10


def when_ready(server):
    """Load the models in the parent: its workers get them by the fork, at no cost."""
    from application import LOADERS, warm

    warm(LOADERS)
