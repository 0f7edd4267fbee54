"""`breakwall db`: the orders database's tables."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.bulk import check_attended, summarised
from breakwall.terminal.options import DryRunOption, Format, OutputOption, YesOption
from breakwall.terminal.output import notes, say, write_result
from breakwall.terminal.times import parse_duration
from breakwall.terminal.words import count

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

    The first time, it names the site: as BREAKWALL_SITE says, else at random. Set the name that it shows, so that
    orders keep their keys should the database be lost.
    """
    from breakwall.payments.db.revisions import TOLERANT
    from breakwall.settings import load_settings

    settings = load_settings()
    before, after, site = _migrate(settings)
    if before is not None and before < TOLERANT:
        say(
            "Running processes of the version before go on; one that starts again is refused. Replace them now.",
            console=notes(),
        )
    was = "already" if before == after else f"now; it was {before or 'new'}"
    lines = [f"The orders database is at revision {after} {was}. Its site is {site}."]
    if settings.site is None:
        lines.append(
            f"Set BREAKWALL_SITE={site}, so that orders keep their keys should the database be lost."
        )
    write_result(output, {"before": before, "after": after, "site": site}, *lines)


@database_app.command("downgrade")
def downgrade_database(
    yes: YesOption = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Take the orders database back to the tables of the version before, in order to go back to that version.

    Stop the processes of this version first. Or leave the database as it is: the version before works with this one's
    tables. Refused with 4 once orders were pruned: without their keys, such an order would be charged again when it is
    placed again.

    It says what is lost and asks; --yes where nobody can be asked.
    """
    from breakwall.payments.db.revisions import current_revision
    from breakwall.payments.operator.downgrade import downgrade, losses
    from breakwall.settings import load_settings

    with closing(_opened(load_settings())) as database:
        before = database.read(lambda connection: current_revision(connection.engine))
        lost = database.read(lambda connection: losses(connection.engine))
        if not (yes or lost.keys):
            check_attended(f"This loses {lost}. Nobody can be asked: if that is meant, say --yes")
            typer.confirm(f"This loses {lost}. Go on?", abort=True, err=True)
        after = database.read(lambda connection: downgrade(connection.engine))
    was = "already" if before == after else f"now; it was {before}. Lost are {lost}"
    document = {"before": before, "after": after, "strange_messages_lost": lost.strange_messages}
    write_result(output, document, f"The orders database is at revision {after} {was}.")


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
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Delete orders that ended long ago: paid, declined or cancelled, with their attempts and all notes on them.

    An order with an open incident stays, and so does one that is dead or in review: these wait for a person. The keys
    stay known for BREAKWALL_RETENTION__KEYS_DAYS: an order that is placed again is answered with how it ended, and
    not charged.

    It works in short transactions, with as long a pause after each as it took. Stopped in the middle, the same again
    does the rest. With BREAKWALL_RETENTION__DAYS set the workers do it by themselves.
    """
    from breakwall.payments.ledger.pruning import Pruning
    from breakwall.settings import DAY, load_settings

    settings = load_settings()
    age = _age(older_than, settings)
    with closing(_opened(settings)) as database:
        pruning = Pruning(database, keys_for=settings.retention.keys_days * DAY)
        if dry_run:
            orders, keys = pruning.preview(age)
            dry = "A dry run: nothing was changed. It would be {}"
            _write_pruned(output, orders, keys, {"dry_run": True}, dry)
        else:
            _prune(pruning, age, output)


def _age(text: str, settings: Settings) -> float:
    from breakwall.settings import DAY

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
    orders = keys = 0

    def summarise(finished: bool) -> None:
        # Where nothing was reached, the error says it all.
        if finished or orders or keys:
            rest = "" if finished else " Not all were reached: the same again does the rest."
            _write_pruned(output, orders, keys, {"finished": finished}, "{}" + rest)

    with summarised(summarise):
        for pruned, forgotten in pruning.run(age):
            orders, keys = orders + pruned, keys + forgotten


def _write_pruned(output: Format, orders: int, keys: int, more: dict[str, bool], sentence: str) -> None:
    numbers = f"{count(orders, 'order')} pruned, {count(keys, 'key')} forgotten."
    write_result(output, {"orders": orders, "keys_forgotten": keys, **more}, sentence.format(numbers))


def _opened(settings: Settings) -> Database:
    """The database as it is: not even the embedded one is migrated."""
    from breakwall.payments.db.database import Database
    from breakwall.payments.db.revisions import check_schema

    return Database(settings.database, prepare=check_schema)


def _migrate(settings: Settings) -> tuple[str | None, str, str]:
    """The revisions before and after, and the site's name."""
    from sqlalchemy import Engine

    from breakwall.host.private_files import make_folder
    from breakwall.payments.db.database import Database
    from breakwall.payments.db.migrate import prepare_data_folder, upgrade
    from breakwall.payments.db.revisions import current_revision
    from breakwall.payments.site import check_site, read_site

    revisions: list[str | None] = []

    def prepare(engine: Engine) -> None:
        if settings.embedded_database:
            make_folder(settings.home)
        revisions.append(current_revision(engine))
        if settings.embedded_database:
            prepare_data_folder(settings.home, engine, site=settings.site, wait=None)
        else:
            upgrade(engine, site=settings.site)
        check_site(engine, settings.site)

    opened = Database(settings.database, prepare=prepare)
    try:
        after = opened.read(lambda connection: current_revision(connection.engine))
        return revisions[0], after or "none", read_site(opened)
    finally:
        opened.close()
