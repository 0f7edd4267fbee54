"""`breakwall db`: the orders database's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
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
    from breakwall.settings import load_settings
    from breakwall.terminal.output import data, write_json

    settings = load_settings()
    before, after, site = _migrate(settings)
    if output is Format.JSON:
        write_json({"before": before, "after": after, "site": site})
        return
    was = "already" if before == after else f"now; it was {before or 'new'}"
    data().print(f"The orders database is at revision {after} {was}. Its site is {site}.", highlight=False)
    if settings.site is None:
        told = f"Set BREAKWALL_SITE={site}, so that orders keep their keys should the database be lost."
        data().print(told, highlight=False)


def _migrate(settings: Settings) -> tuple[str | None, str, str]:
    """The revisions before and after, and the site's name."""
    from sqlalchemy import Engine

    from breakwall.payments.database import Database
    from breakwall.payments.migrate import current_revision, prepare_home, upgrade
    from breakwall.payments.site import check_site, read_site
    from breakwall.private import make_folder

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
