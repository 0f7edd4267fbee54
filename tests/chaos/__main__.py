"""``python -m tests.chaos``: faults in real processes and servers; exits 1 if an order is lost or charged twice."""

import argparse
import json
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Table, select

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.schema import metadata
from tests.chaos import fault_schedule
from tests.chaos.brokers import broker_for
from tests.chaos.deployment import Load
from tests.chaos.report import causes, report
from tests.chaos.run import ChaosRun, NoRestError
from tests.servers import PostgresServer, UnavailableError, Workspace
from tests.servers.disk import SmallDisk
from tests.servers.pgbouncer import PgBouncerServer


def main() -> int:
    chosen = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("breakwall").addHandler(logging.NullHandler())  # this process is not what is tested
    workspace = Workspace()
    try:
        return _run(chosen, workspace)
    except KeyboardInterrupt:
        print("\nInterrupted; stopping everything.")
        return 130
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        workspace.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--orders", type=int, default=3000, help="in all (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=90.0, help="with faults (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="of a run to be repeated (default: a new one)")
    parser.add_argument("--broker", choices=sorted(fault_schedule.BROKERS), default="redis")
    parser.add_argument("--pooler", action="store_true", help="PgBouncer before the database")
    parser.add_argument("--producers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3)
    chosen = parser.parse_args()
    if min(chosen.orders, chosen.seconds, chosen.producers, chosen.workers) <= 0:
        parser.error("--orders, --seconds, --producers and --workers should be above 0")
    if chosen.seed is None:
        chosen.seed = random.SystemRandom().randrange(1_000_000)
    return chosen


def _run(chosen: argparse.Namespace, workspace: Workspace) -> int:
    begun = time.monotonic()
    behind = ", the database behind PgBouncer" if chosen.pooler else ""
    _say(
        f"seed {chosen.seed}: {chosen.orders} orders in {chosen.seconds:g} s with faults, on {chosen.broker}{behind}"
    )
    small_disk = _can_fill_disks(workspace)
    postgres = PostgresServer(workspace)
    if small_disk:
        postgres.take_a_small_disk()
    postgres.start()
    pooler = PgBouncerServer(workspace, postgres) if chosen.pooler else None
    if pooler is not None:
        pooler.start()
    run = ChaosRun(
        workspace,
        postgres,
        broker_for(chosen.broker, workspace, chosen.seed, small_disk=small_disk),
        Load(chosen.orders, chosen.seconds, chosen.seed, chosen.producers, chosen.workers),
        pooler=pooler,
        say=_say,
    )
    try:
        holds = _execute(run, begun)
        if not holds:
            _keep(run, chosen.seed)
        return 0 if holds else 1
    finally:
        run.close()


def _can_fill_disks(workspace: Workspace) -> bool:
    try:
        SmallDisk(workspace, workspace.subfolder("disk"), 1).unmount()
    except UnavailableError as error:
        _say(f"left out: {error}")
        return False
    return True


def _execute(run: ChaosRun, begun: float) -> bool:
    try:
        result = run.execute()
    except NoRestError as error:
        print(causes(run.caused + run.deployment.service.caused))
        print(error)
        return False
    print(report(result, seconds=time.monotonic() - begun))
    return result.holds


def _keep(run: ChaosRun, seed: int) -> None:
    """Copy what is needed to find out why: logs, records, the service's ledger, and every row."""
    kept = Path(tempfile.mkdtemp(prefix=f"breakwall-chaos-{seed}-"))
    shutil.copytree(run.deployment.folder, kept, dirs_exist_ok=True)
    try:
        _write_rows(run.deployment.database, kept)
    except DatabaseUnavailableError as error:
        print(error)
    print(f"seed {seed}; the evidence is in {kept}")


def _write_rows(database: Database, folder: Path) -> None:
    for table in metadata.sorted_tables:
        rows = database.read(partial(_rows, table))
        lines = (json.dumps(row, default=str) for row in rows)
        (folder / f"{table.name}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def _rows(table: Table, connection: Connection) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
