"""Private servers for the tests: PostgreSQL, PgBouncer, Valkey and RabbitMQ, each in a folder of its own, on loopback.

A server is started when the first test asks for it and stopped at the end; a reaper process stops it when
pytest itself is killed. Every pytest-xdist worker has servers of its own, so a test may stop, freeze or kill
the one it is given. Nothing of the system's own servers is read or touched.
"""

from tests.servers.pgbouncer import PgBouncerServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer, rabbitmq_server_for_this_machine
from tests.servers.redis import RedisServer
from tests.servers.sentinel import SentinelSite
from tests.servers.server import Server, UnavailableError, not_available
from tests.servers.workspace import Workspace

__all__ = [
    "PgBouncerServer",
    "PostgresServer",
    "RabbitServer",
    "RedisServer",
    "SentinelSite",
    "Server",
    "UnavailableError",
    "Workspace",
    "not_available",
    "rabbitmq_server_for_this_machine",
]
