"""`breakwall orders retry`: one order, several, or all that match."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.bulk import check_bulk_reason
from breakwall.cli.orders.naming import IdOption, KeyOption, naming
from breakwall.cli.orders_database import orders_database
from breakwall.currencies import MINOR_DIGITS
from breakwall.payments.gateways import profile_from_settings
from breakwall.payments.orders import OrderStatus
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import DryRunOption, Format, OutputOption, YesOption, refuse_where, require
from breakwall.terminal.times import parse_duration
from breakwall.texts import character_problem, text_problem

if TYPE_CHECKING:
    from breakwall.payments.operator.bulk_retry.selection import Selection


class Retryable(StrEnum):
    """The states that an order can be retried from."""

    DEAD = "dead"
    REVIEW = "review"
    QUEUED = "queued"


def retry(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID|KEY", help="The orders' ids or idempotency keys.")
    ] = None,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Retry all orders that match --status and the other filters.")
    ] = False,
    status: Annotated[
        list[Retryable] | None, typer.Option(help="With --all: the orders' state. It can be repeated.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="With --all: only orders in this currency.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="With --all: accepted at least this long ago: 90s, 15m, 2h, 7d."),
    ] = None,
    error_contains: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --all: only orders whose last error contains this."),
    ] = None,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected",
            help="With --all: only if the payment service rejected the last attempt, such as for wrong credentials.",
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --all: at most the oldest N.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="With --all: a name for it, such as the incident's."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", help="With --all: retry at most N orders a second."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="With --all: leave the work to the workers, and end at once.")
    ] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Send one named order under a new key: needs --evidence.")
    ] = False,
    evidence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="With --new-key: how it is known that nothing was charged; it is recorded."
        ),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Retry orders that are queued, dead or in review: each is due at once.

    Each order gets a whole new budget of attempts (BREAKWALL_RETRY__MAX_ATTEMPTS); its retry_count continues. An
    order that may have been charged is looked up before anything is sent, unless the payment service promises not to
    charge its key twice. For a single order the output says what a worker does next, and under which key.

    An order gets a new key if the service may always refuse the old one, and a look-up has found no charge. With
    --new-key it gets one because you state that nothing was charged; none of its attempts may be unresolved.

    --all retries every order that matches now, oldest first. It needs --reason, and --yes if there is no terminal to
    ask on. It works in short transactions. If it is stopped, a worker goes on: `breakwall orders bulk-retries` shows
    how far it is, and aborts it. The workers decide how fast the orders are then charged.

    While the queue is paused, a named order is released: workers work on it nevertheless, until it has finished or the
    pause ends. Orders that --all retries wait for the end of the pause.

    Exits with 3 and changes nothing if a name has no order. Exits with 4 and changes nothing if a name is one order's
    id and another order's key: then add --id or --key, which applies to all names. Exits with 4 if an order's state
    does not allow it; that order stays as it is.
    """
    filters = {
        "--status": status,
        "--currency": currency,
        "--older-than": older_than,
        "--error-contains": error_contains,
        "--rejected": rejected or None,
        "--limit": limit,
        "--name": name,
        "--rate": rate,
        "--detach": detach or None,
        "--yes": yes or None,
    }
    filtered = next((option for option, value in filters.items() if value is not None), None)
    refuse_where(
        (everything and names, "--all", "cannot be combined with named orders"),
    )
    require(
        (status or not everything, "--status", "--all needs --status dead, review or queued"),
        (names or everything, "ID|KEY", "name one or more orders, or add --all"),
    )
    refuse_where((not everything and filtered, filtered or "", "needs --all"))
    _check_new_key(new_key, evidence, alone=not everything and not dry_run and len(names or []) == 1)
    by = naming(by_id=by_id, by_key=by_key)
    if everything:
        refuse_where((by_id or by_key, f"--{by}", "needs named orders; it cannot be combined with --all"))
        selection = _selection(status or [], currency, older_than, error_contains, rejected=rejected)
        _check_bulk(name, rate, detach=detach, dry_run=dry_run)
        if not dry_run:
            check_bulk_reason(reason)
    who = author(actor, reason)

    from breakwall.cli.orders.retry_all import BulkRetryRequest, RetryAllRun
    from breakwall.cli.orders.retry_run import RetryRun
    from breakwall.cli.orders.retry_text import Rules
    from breakwall.wiring import lease_seconds, retry_policy

    with orders_database() as (database, settings):
        rules = Rules(
            profile_from_settings(settings),
            retry_policy(settings),
            lease_seconds(settings),
            settings.gateway_name,
        )
        if not everything:
            RetryRun(database, who, rules, output, dry_run).named(names or [], by, evidence=evidence)
            return
        request, run = (
            BulkRetryRequest(selection, limit, name, rate),
            RetryAllRun(database, who, rules, output),
        )
        if dry_run:
            run.dry(request)
        else:
            run.start(request, ask=not yes, detach=detach)


def _check_bulk(name: str | None, rate: float | None, *, detach: bool, dry_run: bool) -> None:
    problem = None if name is None else text_problem(name)
    from breakwall.payments.operator.bulk_retry.record import SLOWEST

    wrong_rate = rate is not None and not SLOWEST <= rate < float("inf")
    refuse_where(
        (problem, "--name", problem or ""),
        (wrong_rate, "--rate", f"should be at least {SLOWEST:g} orders a second"),
        (detach and dry_run, "--detach", "cannot be combined with --dry-run"),
    )


def _check_new_key(new_key: bool, evidence: str | None, *, alone: bool) -> None:
    """``alone``: one order is named, and will be changed."""
    problem = None if evidence is None else text_problem(evidence)
    missing = "how is it known that nothing was charged? The evidence is recorded"
    refuse_where(
        (not new_key and evidence is not None, "--evidence", "needs --new-key"),
        (new_key and not alone, "--new-key", "needs exactly one named order, without --dry-run"),
        (problem, "--evidence", problem or ""),
    )
    require((evidence is not None or not new_key, "--evidence", missing))


def _selection(
    status: list[Retryable],
    currency: str | None,
    older_than: str | None,
    error_contains: str | None,
    *,
    rejected: bool,
) -> Selection:
    from breakwall.payments.operator.bulk_retry.selection import Selection

    problem = character_problem(error_contains or "")
    code = "should be an ISO 4217 code in capitals, such as KRW or USD"
    refuse_where(
        (currency is not None and currency not in MINOR_DIGITS, "--currency", code),
        (problem, "--error-contains", problem or ""),
    )
    return Selection(
        statuses=tuple(dict.fromkeys(OrderStatus(state) for state in status)),
        currency=currency,
        older_than=0.0 if older_than is None else parse_duration(older_than, "--older-than"),
        error_contains=error_contains or None,
        rejected=rejected,
    )
