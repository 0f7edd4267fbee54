"""Private servers for the tests: PostgreSQL, PgBouncer, Valkey and RabbitMQ, each in a folder of its own, on loopback.

A server starts when the first test asks for it and stops at the end; if pytest itself is killed, a reaper process stops
it. Every pytest-xdist worker has its own servers, so a test may stop, freeze or kill them. The system's own servers are
neither read nor touched.
"""

from tests.servers.pgbouncer import PgBouncerServer
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitServer, rabbitmq_server_for_this_machine
from tests.servers.redis import RedisCluster, RedisServer
from tests.servers.sentinel import SentinelSite
from tests.servers.server import Server, UnavailableError, not_available
from tests.servers.workspace import Workspace

__all__ = [
    "PgBouncerServer",
    "PostgresServer",
    "RabbitServer",
    "RedisCluster",
    "RedisServer",
    "SentinelSite",
    "Server",
    "UnavailableError",
    "Workspace",
    "not_available",
    "rabbitmq_server_for_this_machine",
]
