"""Servers for the tests, started when the first test asks (see `tests.servers`)."""

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests import compiled_once, environment, manual_clock, migrated, one_database, scheduling
from tests.servers import (
    PgBouncerServer,
    PostgresServer,
    RabbitServer,
    RedisCluster,
    RedisServer,
    SentinelSite,
    Server,
    UnavailableError,
    Workspace,
    not_available,
    postgres,
    rabbitmq_server_for_this_machine,
    rabbitmq_sources,
    sentinel,
)
from tests.servers import redis as valkey

AnyServer = TypeVar("AnyServer", bound=Server | SentinelSite)

TESTS = Path(__file__).parent
SERVER_FIXTURES = {"_postgres", "_pgbouncer", "_redis", "_redis_cluster", "_rabbitmq", "_sentinels"}
SERVER_PARAMETERS = {"postgres", "redis", "rabbitmq"}
PROGRAM_FOLDERS = {"acceptance", "chaos", "integration"}
"""Their tests start whole programs. `make test-fast` leaves them out, also if they need no server."""


def pytest_configure() -> None:
    environment.prepare()
    compiled_once.share()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Without the garbage collector, which would look through millions of objects again and again and find nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # `-m` selects by these marks afterwards
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose each test's databases, and mark what `make test-fast` leaves out: `server` and `program`.

    A test needs a server if it asks for a server's fixture, or if one of its fixtures has a parameter that names a
    server, as "postgres+redis" does.
    """
    one_database.select(config, items)
    for item in items:
        if isinstance(item, pytest.Function) and _needs_server(item):
            item.add_marker(pytest.mark.server)
        if item.path.relative_to(TESTS).parts[0] in PROGRAM_FOLDERS:
            item.add_marker(pytest.mark.program)


def pytest_runtest_logstart() -> None:
    manual_clock.PLACES.begin_test()


def pytest_runtest_logfinish() -> None:
    manual_clock.PLACES.end_test()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    if fixturedef.scope == "function":
        return (yield)
    with manual_clock.PLACES.for_longer():
        return (yield)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    return scheduling.by_module(config, log)


def _needs_server(item: pytest.Function) -> bool:
    if SERVER_FIXTURES & set(item.fixturenames):
        return True
    named = " ".join(str(value) for name, value in _fixture_parameters(item))
    return bool(SERVER_PARAMETERS & set(re.findall("[a-z]+", named)))


def _fixture_parameters(item: pytest.Function) -> list[tuple[str, object]]:
    marks = [mark for mark in item.iter_markers("parametrize") if not mark.kwargs.get("indirect")]
    of_the_test = {name for mark in marks for name in re.findall(r"\w+", str(mark.args[0]))}
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return [(name, value) for name, value in parameters.items() if name not in of_the_test]


def pytest_report_header() -> str:
    return "servers: " + "; ".join((_plan_postgres(), _plan_redis(), rabbitmq_sources.plan()))


@pytest.fixture(scope="session")
def workspace() -> Iterator[Workspace]:
    workspace = Workspace()
    yield workspace
    workspace.close()


@pytest.fixture(scope="session")
def _postgres(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[PostgresServer]:
    yield from _serve(request, "PostgreSQL", lambda: PostgresServer(workspace))


@pytest.fixture(scope="session")
def _pgbouncer(
    request: pytest.FixtureRequest, workspace: Workspace, _postgres: PostgresServer
) -> Iterator[PgBouncerServer]:
    yield from _serve(request, "PgBouncer", lambda: PgBouncerServer(workspace, _postgres))


@pytest.fixture(scope="session")
def _redis(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[RedisServer]:
    yield from _serve(request, "Redis", lambda: RedisServer(workspace))


@pytest.fixture(scope="session")
def _redis_cluster(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[RedisCluster]:
    yield from _serve(request, "Redis Cluster", lambda: RedisCluster(workspace))


@pytest.fixture(scope="session")
def _rabbitmq(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[RabbitServer]:
    yield from _serve(request, "RabbitMQ", lambda: rabbitmq_server_for_this_machine(workspace))


@pytest.fixture(scope="session")
def _sentinels(request: pytest.FixtureRequest, workspace: Workspace) -> Iterator[SentinelSite]:
    yield from _serve(
        request, "Redis with Sentinel", lambda: SentinelSite(workspace, sentinel.debians_redis())
    )


@pytest.fixture
def postgres_server(_postgres: PostgresServer) -> PostgresServer:
    """This process's PostgreSQL, which answers, whatever the test before did to it."""
    _postgres.ensure_running()
    return _postgres


@pytest.fixture
def pgbouncer_server(_pgbouncer: PgBouncerServer, postgres_server: PostgresServer) -> PgBouncerServer:
    """A PgBouncer in transaction mode before this process's PostgreSQL; both answer."""
    _pgbouncer.ensure_running()
    return _pgbouncer


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """This process's Valkey, which answers, whatever the test before did to it."""
    _redis.ensure_running()
    return _redis


@pytest.fixture
def redis_cluster(_redis_cluster: RedisCluster) -> RedisCluster:
    """This process's Valkey as a cluster, which answers, whatever the test before did to it."""
    _redis_cluster.ensure_running()
    return _redis_cluster


@pytest.fixture
def rabbitmq_server(_rabbitmq: RabbitServer) -> RabbitServer:
    """This process's RabbitMQ, which answers, whatever the test before did to it."""
    _rabbitmq.ensure_running()
    return _rabbitmq


@pytest.fixture
def sentinel_site(_sentinels: SentinelSite) -> SentinelSite:
    """This process's Redis with a replica and sentinels; all answer, whatever the test before did."""
    _sentinels.ensure_running()
    return _sentinels


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new, empty database."""
    url = postgres_server.fresh_url()
    yield url
    postgres_server.ensure_running()
    postgres_server.drop(url)


@pytest.fixture
def pooled_url(pgbouncer_server: PgBouncerServer, postgres_url: str) -> str:
    """A new, empty database, through the pooler."""
    return pgbouncer_server.before(postgres_url)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty numbered database."""
    return redis_server.fresh_url()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitServer) -> str:
    """An empty virtual host."""
    return rabbitmq_server.fresh_url()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'breakwall.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database. The test runs on SQLite, on PostgreSQL or on both: see `one_database`."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def _migrated(_postgres: PostgresServer) -> migrated.MigratedDatabases:
    return migrated.MigratedDatabases(_postgres)


@pytest.fixture
def migrated_postgres_url(
    postgres_server: PostgresServer, _migrated: migrated.MigratedDatabases
) -> Iterator[str]:
    url, form = _migrated.take()
    yield url
    postgres_server.ensure_running()
    _migrated.give_back(url, form)


@pytest.fixture
def migrated_sqlite_url(tmp_path: Path, workspace: Workspace) -> str:
    return migrated.copy_to(tmp_path / "breakwall.db", workspace.folder / "migrated.db")


@pytest.fixture(params=["sqlite", "postgres"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """A database with this version's tables, empty: on SQLite, PostgreSQL or both (see `one_database`)."""
    return str(request.getfixturevalue(f"migrated_{request.param}_url"))


def _serve(request: pytest.FixtureRequest, name: str, make: Callable[[], AnyServer]) -> Iterator[AnyServer]:
    if "not server" in request.config.option.markexpr:
        pytest.fail(f"a test without the mark `server` asks for {name}", pytrace=False)
    try:
        server = make()
    except UnavailableError as error:
        not_available(name, str(error))
    server.start()
    yield server
    server.close()


def _plan_postgres() -> str:
    try:
        return postgres.describe(postgres.programs())
    except UnavailableError:
        return "no PostgreSQL"


def _plan_redis() -> str:
    try:
        return valkey.describe(valkey.program())
    except UnavailableError:
        return "no Redis"
