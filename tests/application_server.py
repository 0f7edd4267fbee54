"""Runs a web application under uvicorn in this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from tests.waiting import wait_until


@contextmanager
def serving(application: FastAPI, **tls: Any) -> Iterator[str]:
    """Serve it on a free port of the loopback until the block ends; yields its address.

    ``tls``: uvicorn's options for it, which begin with ``ssl_``.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off", **tls))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
