"""``python -m tests.servers``: installs the servers that the tests use; exits 1 and names those that it cannot."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.servers import packages, postgres, rabbitmq_sources, redis
from tests.servers.server import UnavailableError

FROM_DEBIAN = {
    "redis-server": "redis-server",
    "pgbouncer": "pgbouncer",
    "nginx": "nginx-light",
    "chromium": "chromium",
}
"""Packages by program. Valkey and PostgreSQL come in wheels. Chromium is the browser that tests the page."""


def main() -> int:
    missing = [name for name, package in FROM_DEBIAN.items() if packages.program(name, package) is None]
    if rabbitmq_sources.install() is None and not rabbitmq_sources.docker_answers():
        missing.append("rabbitmq-server")
    for find in (postgres.programs, redis.program):
        missing += _missing(find)
    if missing:
        print(f"cannot be had on this machine: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


def _missing(find: Callable[[], Path]) -> list[str]:
    try:
        find()
    except UnavailableError as error:
        return [str(error)]
    return []


if __name__ == "__main__":
    raise SystemExit(main())
