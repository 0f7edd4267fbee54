"""A private PgBouncer in transaction mode before a private PostgreSQL, from Debian's package."""

import os
import pwd
import signal
from typing import ClassVar

import psycopg

from tests.servers import packages
from tests.servers.postgres import PostgresServer
from tests.servers.server import Server, UnavailableError, version_of
from tests.servers.workspace import Workspace

POOL_SIZE = 3  # Server connections for all clients of a database: so few that each serves many clients.

SETTINGS = """
[databases]
statements = host=127.0.0.1 port={postgres} user=postgres dbname=postgres pool_mode=statement
* = host=127.0.0.1 port={postgres} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_login_retry = 1
query_wait_timeout = 2
ignore_startup_parameters =
log_connections = 0
log_disconnections = 0
"""


class PgBouncerServer(Server):
    """`url` takes the name of a database behind it; ``statements`` is one in statement mode.

    It ignores none of the parameters that a client sends when it connects.
    """

    name = "PgBouncer"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, workspace: Workspace, postgres: PostgresServer) -> None:
        found = packages.program("pgbouncer", "pgbouncer")
        if found is None:
            raise UnavailableError("there is no PgBouncer here: `apt-get install pgbouncer`")
        super().__init__(workspace)
        self._program = found
        self._postgres = postgres
        self._user = "nobody" if os.geteuid() == 0 else None  # PgBouncer refuses to run as root

    @property
    def description(self) -> str:
        return f"PgBouncer {version_of(self._program, '--version')} from {self._program}"

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def before(self, url: str) -> str:
        """The URL of PostgreSQL's database ``url``, through the pooler."""
        return self.url(url.rpartition("/")[2])

    def _prepare(self) -> None:
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        settings = SETTINGS.format(port=self.port, postgres=self._postgres.port, pool_size=POOL_SIZE)
        (self.folder / "pgbouncer.ini").write_text(settings)

    def _command(self) -> list[str]:
        return [str(self._program), str(self.folder / "pgbouncer.ini")]

    def _answers(self) -> bool:
        try:
            # Its console, which answers without PostgreSQL.
            psycopg.connect(
                f"host=127.0.0.1 port={self.port} user=pgbouncer dbname=pgbouncer connect_timeout=2"
            ).close()
        except psycopg.OperationalError:
            return False
        return True
