"""`breakwall db`: the orders database's tables."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.bulk import check_attended, summarised
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import DryRunOption, Format, OutputOption, YesOption, refuse_where, require
from breakwall.terminal.output import notes, say, write_note, write_result
from breakwall.terminal.times import parse_duration
from breakwall.terminal.words import count, duration

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.payments.interventions import Author
    from breakwall.payments.ledger.pruning import Pruning
    from breakwall.settings import Settings

database_app = typer.Typer(no_args_is_help=True, help="The orders database: upgrade, downgrade, prune.")


@database_app.command("upgrade")
def upgrade_database(output: OutputOption = Format.TEXT) -> None:
    """Bring the orders database to this version's tables. It can run twice, and in several places at once.

    Only this command migrates a database that BREAKWALL_DATABASE_URL names. The embedded database, used without that
    setting, is also migrated by its first use.

    The first run names the site: BREAKWALL_SITE, or a random name. Set BREAKWALL_SITE to the name that is shown, so
    that orders keep their keys even if the database is lost.
    """
    from breakwall.payments.db.revisions import starts_after_upgrade
    from breakwall.settings import load_settings

    settings = load_settings()
    before, after, site = _migrate(settings)
    if before is not None and not starts_after_upgrade(before, after):
        say(
            f"Running processes of the version of revision {before} continue, but one that starts again is refused. "
            "Replace them now.",
            console=notes(),
        )
    was = "already" if before == after else f"now; it was {before or 'new'}"
    lines = [f"The orders database is at revision {after} {was}. Its site is {site}."]
    if settings.site is None:
        lines.append(
            f"Set BREAKWALL_SITE={site}, so that orders keep their keys even if the database is lost."
        )
    write_result(output, {"before": before, "after": after, "site": site}, *lines)


@database_app.command("downgrade")
def downgrade_database(
    yes: YesOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Take the orders database back to the tables of the version before.

    You rarely need it: the version before also works with the tables of this version. Then leave the database as it is.

    Running processes of this version continue without the deleted tables. But the next command, worker or producer of
    this version migrates the embedded database again, so stop those first, and start only the old version afterwards.

    It shows what it deletes, and asks for confirmation. The audit trail is deleted, too: it keeps this command only if
    it was refused. The API's tokens are deleted: from then on an API of this version on loopback needs none.

    Exits with 4 if there is neither --yes nor a terminal to ask on, or while a bulk retry is not finished.
    """
    from breakwall.payments.db.revisions import BEFORE, current_revision
    from breakwall.payments.operator.downgrade import losses
    from breakwall.settings import load_settings

    who = author(actor, reason)
    with closing(_opened(load_settings())) as database:
        before = database.read(lambda connection: current_revision(connection.engine))
        lost = database.read(lambda connection: losses(connection.engine))
        if not (yes or lost.open_bulk_retries or before == BEFORE):
            check_attended(f"this deletes {lost}", "to confirm, add --yes")
            typer.confirm(f"This deletes {lost}. {_OPEN_API} Continue?", abort=True, err=True)
        after = BEFORE if before == BEFORE else _take_back(database, who, before)
    was = "already; nothing was changed" if before == after else f"now; it was {before}. Deleted: {lost}"
    document = {
        "before": before,
        "after": after,
        "tokens_lost": lost.tokens,
        "actions_lost": lost.actions,
        "bulk_retries_lost": lost.bulk_retries,
    }
    write_result(output, document, f"The orders database is at revision {after} {was}.")
    if before != after:
        write_note(_OPEN_API)


_OPEN_API = (
    "Without the tokens an API of this version on loopback is open to everybody on this machine, unless "
    "BREAKWALL_API_TOKENS has one: stop it."
)


def _take_back(database: Database, who: Author, before: str | None) -> str:
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.payments.operator.downgrade import downgrade

    with recorded(database, who, OperatorAction.DATABASE_DOWNGRADE, before):
        return database.read(lambda connection: downgrade(connection.engine))


@database_app.command("prune")
def prune_database(
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE", help="Finished at least this long ago: 90d. Without it: BREAKWALL_RETENTION__DAYS."
        ),
    ] = "",
    dry_run: DryRunOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Delete old orders that are paid, declined or cancelled, with their attempts, interventions and closed incidents.

    Of a bulk retry that ended as long ago, the list of its orders goes.

    An order that is dead, in review or has an open incident stays: it waits for a person. The keys stay known for
    BREAKWALL_RETENTION__KEYS_DAYS: an order that is placed again is not charged, and gets its last state as answer.

    It works in short transactions, and pauses after each for as long as it took. If it is stopped, run it again: it
    does the rest. With BREAKWALL_RETENTION__DAYS set, the workers do the same by themselves.
    """
    from breakwall.payments.ledger.pruning import Pruning
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.settings import DAY, load_settings

    settings, who = load_settings(), author(actor, reason)
    age = _age(older_than, settings)
    with closing(_opened(settings)) as database:
        pruning = Pruning(database, keys_for=settings.retention.keys_days * DAY)
        if dry_run:
            orders, keys = pruning.preview(age)
            dry = "A dry run: nothing was changed. The result would be: {}"
            _write_pruned(output, orders, keys, {"dry_run": True}, dry)
        else:
            with recorded(database, who, OperatorAction.DATABASE_PRUNE, None, f"older than {duration(age)}"):
                _prune(pruning, age, output)


def _age(text: str, settings: Settings) -> float:
    from breakwall.settings import DAY

    option, kept = "--older-than", settings.retention
    require((text or kept.days is not None, option, "such as 90d, unless BREAKWALL_RETENTION__DAYS is set"))
    age = parse_duration(text, option) if text else float((kept.days or 0) * DAY)
    limit = f"should be at most the {kept.keys_days} days of BREAKWALL_RETENTION__KEYS_DAYS"
    refuse_where(
        (age < DAY, option, f"{text} is {age:,.0f} seconds; it should be at least a day: 1d"),
        (age > kept.keys_days * DAY, option, f"{limit}: older keys are forgotten"),
    )
    return age


def _prune(pruning: Pruning, age: float, output: Format) -> None:
    orders = keys = 0

    def summarise(finished: bool) -> None:
        # If nothing was pruned, the error is enough.
        if finished or orders or keys:
            rest = "" if finished else " It stopped before the end. Run it again: it prunes the rest."
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

    with closing(Database(settings.database, prepare=prepare)) as opened:
        after = opened.read(lambda connection: current_revision(connection.engine))
        return revisions[0], after or "none", read_site(opened)
