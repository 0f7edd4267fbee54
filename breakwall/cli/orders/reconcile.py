"""`breakwall orders reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.bulk import counting
from breakwall.cli.orders.input_file import (
    AmountsOption,
    ColumnsOption,
    EncodingOption,
    FileArgument,
    columns_named,
    encoding_named,
    opened,
)
from breakwall.cli.orders.reconcile_output import Comparison, write_comparison
from breakwall.cli.orders_database import orders_database
from breakwall.errors import ExitCode
from breakwall.files.amounts import Units
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.times import MOMENT, parse_moment

if TYPE_CHECKING:
    from breakwall.payments.reconciliation.run import Period


def reconcile(
    file: FileArgument,
    columns: ColumnsOption = "",
    amounts: AmountsOption = Units.MINOR,
    charged: Annotated[
        str,
        typer.Option(metavar="STATUS,…", help="More statuses of this file that mean charged: Abgeschlossen."),
    ] = "",
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Ignore charges whose key does not start with this.")
    ] = "",
    only_known: Annotated[
        bool, typer.Option("--only-known", help="Ignore charges whose order is not in this database.")
    ] = False,
    encoding: EncodingOption = "",
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help=f"The start of the report's period. {MOMENT}")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="The period ends before this moment.")
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Compare a payment service's report with the orders, and list every discrepancy. Changes nothing.

    The fields are charge_id, amount, currency and status, and key or order_id if the report has them.
    docs/reconciliation.md has the --columns for the reports of Stripe, Adyen and PayPal. A charge belongs to the order
    with its key, else with its order_id, else with its charge_id.

    If several lines are about one charge, as in a log of events, the last line counts: charged and then refunded
    is refunded. A line that is no charge (pending, a dispute, a total) is counted and skipped.

    Without --since and --until, every paid order must be in the report. With them, only orders whose first attempt that
    may have charged, and whose payment, are both in that period.

    Exits with 0 if both agree, with 1 if they differ or a line cannot be read, and with 2 if the file cannot be
    understood: then nothing was compared.
    """
    from breakwall.payments.reconciliation.report import FIELDS, Report

    names, decoding, period = columns_named(columns, FIELDS), encoding_named(encoding), _period(since, until)

    from breakwall.payments.reconciliation.run import Reconciliation
    from breakwall.settings import DAY

    with (
        opened(file, "a report") as (stream, _),
        orders_database() as (database, settings),
        counting("comparing", "lines and orders") as advance,
    ):
        report = Report(
            stream,
            columns=names,
            units=amounts,
            charged=[word for word in charged.split(",") if word.strip()],
            prefix=prefix,
            encoding=decoding,
        )
        reconciliation = Reconciliation(
            database,
            period=period,
            account=settings.payment_account,
            only_known=only_known,
            keys_for=settings.retention.keys_days * DAY,
            advance=advance,
        )
        comparison = Comparison(report, reconciliation)
        write_comparison(comparison, output)
    if not comparison.agrees:
        raise typer.Exit(ExitCode.FAILURE)


def _period(since: str | None, until: str | None) -> Period:
    from breakwall.payments.reconciliation.run import Period

    period = Period(
        None if since is None else parse_moment(since, "--since"),
        None if until is None else parse_moment(until, "--until"),
    )
    if period.since and period.until and period.since >= period.until:
        raise typer.BadParameter("should be after --since", param_hint="--until")
    return period
