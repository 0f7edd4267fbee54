"""`breakwall db`: the orders database's tables."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.payments.ledger.pruning import Pruning
    from breakwall.settings import Settings

database_app = typer.Typer(no_args_is_help=True, help="The orders database.")


@database_app.callback()
def database() -> None:
    """The orders database."""


@database_app.command("upgrade")
def upgrade_database(output: OutputOption = Format.TEXT) -> None:
    """Bring the orders database to this version's tables. Safe to run twice, and from several places.

    The embedded database, used when BREAKWALL_DATABASE_URL is not set, is also migrated on first use; any
    other one only by this command.

    The first time, it names the site: as BREAKWALL_SITE says, else by chance. Set the name that it shows, so that
    orders keep their keys should the database be lost.
    """
    from breakwall.payments.db.migrate import TOLERANT
    from breakwall.settings import load_settings
    from breakwall.terminal.output import data, notes, write_json

    settings = load_settings()
    before, after, site = _migrate(settings)
    if before is not None and before < TOLERANT:
        notes().print(_NO_NEW_OLD_ONES, highlight=False)
    if output is Format.JSON:
        write_json({"before": before, "after": after, "site": site})
        return
    was = "already" if before == after else f"now; it was {before or 'new'}"
    data().print(f"The orders database is at revision {after} {was}. Its site is {site}.", highlight=False)
    if settings.site is None:
        told = f"Set BREAKWALL_SITE={site}, so that orders keep their keys should the database be lost."
        data().print(told, highlight=False)


_NO_NEW_OLD_ONES = (
    "Processes of the version before that run go on; one that starts again is refused. Replace them now."
)


@database_app.command("downgrade")
def downgrade_database(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Take the orders database back to the tables of the version before: for who has to go back to that one.

    Stop the processes of this version first, or leave the database as it is: the version before works with this one's
    tables. Refused with 4 once orders were pruned: their keys would be lost, and with them what keeps an order that is
    placed again from being charged again.

    It says what is lost and asks; --yes where nobody can be asked.
    """
    from breakwall.payments.db.downgrade import downgrade, losses
    from breakwall.payments.db.migrate import current_revision
    from breakwall.settings import load_settings
    from breakwall.terminal.output import data, write_json

    with closing(_opened(load_settings())) as database:
        before = database.read(lambda connection: current_revision(connection.engine))
        lost = database.read(lambda connection: losses(connection.engine))
        if not (yes or lost.keys):
            _ask(f"This loses {lost}.")
        after = database.read(lambda connection: downgrade(connection.engine))
    if output is Format.JSON:
        write_json({"before": before, "after": after, "strange_messages_lost": lost.strange_messages})
        return
    was = "already" if before == after else f"now; it was {before}. Lost are {lost}"
    data().print(f"The orders database is at revision {after} {was}.", highlight=False)


@database_app.command("prune")
def prune_database(
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="How long ago they ended, at least: 90d. Without it, BREAKWALL_RETENTION__DAYS.",
            show_default=False,
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, count the orders.")] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Let orders go that ended long ago: paid, declined or cancelled, with their attempts and all notes on them.

    Never one with an open incident, nor one that is dead or in review: these wait for a person. Their keys stay known
    for BREAKWALL_RETENTION__KEYS_DAYS: placed again, such an order is answered with how it ended, and not charged.

    It goes in short transactions, with as long a pause after each as it took. Stopped in the middle, the same again
    does the rest. With BREAKWALL_RETENTION__DAYS set the workers do it by themselves.
    """
    from breakwall.payments.ledger.pruning import Pruning
    from breakwall.settings import DAY, load_settings

    settings = load_settings()
    age = _age(older_than, settings)
    with closing(_opened(settings)) as database:
        pruning = Pruning(database, keys_for=settings.retention.keys_days * DAY)
        if dry_run:
            _tell_pruned(*pruning.preview(age), output, dry_run=True)
        else:
            _prune(pruning, age, output)


def _age(text: str, settings: Settings) -> float:
    from breakwall.settings import DAY
    from breakwall.terminal.durations import parse_duration

    option, kept = "--older-than", settings.retention
    if text:
        age = parse_duration(text, option)
    elif kept.days is None:
        raise typer.BadParameter("say it, such as 90d, or set BREAKWALL_RETENTION__DAYS", param_hint=option)
    else:
        age = float(kept.days * DAY)
    if age < DAY:
        raise typer.BadParameter("should be a day at least: 1d", param_hint=option)
    if age > kept.keys_days * DAY:
        limit = f"should be at most the {kept.keys_days} days of BREAKWALL_RETENTION__KEYS_DAYS"
        raise typer.BadParameter(f"{limit}: the keys would not stay known", param_hint=option)
    return age


def _prune(pruning: Pruning, age: float, output: Format) -> None:
    from breakwall.payments.db.database import DatabaseUnavailableError

    orders = keys = 0
    try:
        for pruned, forgotten in pruning.run(age):
            orders, keys = orders + pruned, keys + forgotten
    except (DatabaseUnavailableError, KeyboardInterrupt):
        # Where nothing was reached, the error says it all.
        if orders or keys:
            _tell_pruned(orders, keys, output, finished=False)
        raise
    _tell_pruned(orders, keys, output)


def _tell_pruned(
    orders: int, keys: int, output: Format, *, dry_run: bool = False, finished: bool = True
) -> None:
    from breakwall.terminal.output import data, write_json
    from breakwall.terminal.words import count

    if output is Format.JSON:
        how = {"dry_run": True} if dry_run else {"finished": finished}
        write_json({"orders": orders, "keys_forgotten": keys, **how})
        return
    what = f"{count(orders, 'order')} pruned, {count(keys, 'key')} forgotten."
    if dry_run:
        what = f"A dry run: nothing was changed. It would be {what}"
    rest = "" if finished else " Not all were reached: the same again does the rest."
    data().print(what + rest, highlight=False)


def _opened(settings: Settings) -> Database:
    """The database as it is: not even the embedded one is migrated."""
    from breakwall.payments.db.database import Database
    from breakwall.payments.db.migrate import check_schema

    return Database(settings.database, prepare=check_schema)


def _ask(what: str) -> None:
    """Go on only where somebody says so.

    Raises:
        RefusedError: nobody can be asked.
        typer.Abort: they say no.
    """
    from breakwall.payments.operator.retry_and_cancel import RefusedError

    if not sys.stdin.isatty():
        raise RefusedError(f"{what} Nobody can be asked: if that is meant, say --yes")
    typer.confirm(f"{what} Go on?", abort=True, err=True)


def _migrate(settings: Settings) -> tuple[str | None, str, str]:
    """The revisions before and after, and the site's name."""
    from sqlalchemy import Engine

    from breakwall.host.private_files import make_folder
    from breakwall.payments.db.database import Database
    from breakwall.payments.db.migrate import current_revision, prepare_home, upgrade
    from breakwall.payments.site import check_site, read_site

    revisions: list[str | None] = []

    def prepare(engine: Engine) -> None:
        if settings.embedded_database:
            make_folder(settings.home)
        revisions.append(current_revision(engine))
        if settings.embedded_database:
            prepare_home(settings.home, engine, site=settings.site, wait=None)
        else:
            upgrade(engine, site=settings.site)
        check_site(engine, settings.site)

    opened = Database(settings.database, prepare=prepare)
    try:
        after = opened.read(lambda connection: current_revision(connection.engine))
        return revisions[0], after or "none", read_site(opened)
    finally:
        opened.close()
