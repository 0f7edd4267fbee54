from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest

from tests.command import Terminal
from tests.source_tree import ROOT
from tests.waiting import wait_until

PROGRAM = "tests.integration.web.api_program"


class RunningApi:
    """One `breakwall api` with the routes of `api_program`, at a free port."""

    def __init__(self, terminal: Terminal, *options: str) -> None:
        self._log = terminal.folder / f"api-{len(list(terminal.folder.glob('api-*')))}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, "--port", "0", *options],
                cwd=terminal.folder,
                env={**terminal.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        self._processes = int(options[options.index("--processes") + 1]) if "--processes" in options else 1

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def until_ready(self) -> RunningApi:
        ready = lambda: self.text.count(" ready.") >= self._processes or self.process.poll() is not None  # noqa: E731
        wait_until(ready, 60.0)
        assert self.process.poll() is None, self.text
        return self

    @property
    def port(self) -> int:
        found = re.search(r"http://127\.0\.0\.1:(\d+): ready\.", self.text)
        assert found is not None, self.text
        return int(found[1])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60.0)

    def request(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> http.client.HTTPResponse:
        connection = self.connect()
        kind = {} if body is None else {"Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {**kind, **headers})
        return connection.getresponse()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


StartApi = Callable[..., RunningApi]


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@pytest.fixture
def start_api(terminal: Terminal) -> Iterator[StartApi]:
    """Starts one in the terminal's folder, and waits until it is ready."""
    with ExitStack() as started:

        def start(*options: str) -> RunningApi:
            api = RunningApi(terminal, *options)
            started.callback(api.close)
            return api.until_ready()

        yield start
