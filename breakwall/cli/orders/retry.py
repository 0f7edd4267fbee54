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
from breakwall.terminal.options import DryRunOption, Format, OutputOption, YesOption, refuse_where
from breakwall.terminal.times import parse_duration
from breakwall.texts import character_problem, text_problem

if TYPE_CHECKING:
    from breakwall.payments.operator.bulk_retry import Selection


class Retryable(StrEnum):
    """The states that an order can be retried from."""

    DEAD = "dead"
    REVIEW = "review"
    QUEUED = "queued"


def retry(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID|KEY", help="The orders' ids or idempotency keys.", show_default=False),
    ] = None,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All orders that match --status and the other filters.")
    ] = False,
    status: Annotated[
        list[Retryable] | None,
        typer.Option(help="With --all: their state. May be given more than once.", show_default=False),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="With --all: only in this currency.", show_default=False),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="With --all: accepted at least this long ago: 90s, 15m, 2h, 7d.",
            show_default=False,
        ),
    ] = None,
    error_contains: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="With --all: only where the last error contains this.", show_default=False
        ),
    ] = None,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected",
            help="With --all: only where the payment service rejected the last attempt, such as for wrong credentials.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --all: the oldest N at most.", show_default=False),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Send it under a new key: of one named order, with --evidence.")
    ] = False,
    evidence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="With --new-key: how it is known that nothing was charged. It is noted.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Retry orders that are queued, dead or in review: each is due at once.

    Each gets a whole new budget of attempts (BREAKWALL_RETRY__MAX_ATTEMPTS); its retry_count goes on
    counting. An order that may have been charged is looked up before anything is sent, unless the
    payment service promises that its key does not charge again. For a single order the answer says what a worker
    does next, and under which key.

    An order gets a new key where the service may repeat its refusal of the old one for ever, and a look-up has found
    no charge. --new-key gives it one on your word, where no attempt of it is in doubt.

    --all retries every order that matches, oldest first. It needs a --reason, and --yes where nobody can be
    asked. It works in short transactions; stopped in the middle, the same again does the rest.
    The workers decide how fast the orders are then charged.

    Exits with 3, and changes nothing, when a name is no order's; with 4, and changes nothing, when a name is one
    order's id and another one's key: then --id or --key decides what all names are. Exits with 4 when an order's
    state does not allow it; that order is left as it is.
    """
    filters = {
        "--status": status,
        "--currency": currency,
        "--older-than": older_than,
        "--error-contains": error_contains,
        "--rejected": rejected or None,
        "--limit": limit,
        "--yes": yes or None,
    }
    filtered = next((option for option, value in filters.items() if value is not None), None)
    refuse_where(
        (everything and names, "--all", "either orders by name, or --all"),
        (everything and not status, "--status", "--all needs a state: dead, review or queued"),
        (not everything and not names, "ID|KEY", "which orders? Name them, or say --all"),
        (not everything and filtered, filtered or "", "goes with --all only"),
    )
    _check_new_key(new_key, evidence, alone=not everything and not dry_run and len(names or []) == 1)
    by = naming(by_id=by_id, by_key=by_key)
    if everything:
        refuse_where((by_id or by_key, f"--{by}", "goes with orders by name, not with --all"))
        selection = _selection(status or [], currency, older_than, error_contains, rejected=rejected)
        if not dry_run:
            check_bulk_reason(reason)
    who = author(actor, reason)

    from breakwall.cli.orders.retry_all import retry_all
    from breakwall.cli.orders.retry_named import retry_named
    from breakwall.cli.orders.retry_text import Rules
    from breakwall.wiring import lease_seconds, retry_policy

    with orders_database() as (database, settings):
        rules = Rules(profile_from_settings(settings), retry_policy(settings), lease_seconds(settings))
        if everything:
            retry_all(database, selection, limit, who, rules, output, dry_run=dry_run, ask=not yes)
        else:
            distinct = list(dict.fromkeys(names or []))
            retry_named(database, distinct, by, who, rules, output, evidence=evidence, dry_run=dry_run)


def _check_new_key(new_key: bool, evidence: str | None, *, alone: bool) -> None:
    """``alone``: one order is named, and will be changed."""
    problem = None if evidence is None else text_problem(evidence)
    refuse_where(
        (not new_key and evidence is not None, "--evidence", "goes with --new-key"),
        (new_key and not alone, "--new-key", "goes with one order, named, and without --dry-run"),
        (
            new_key and evidence is None,
            "--evidence",
            "how is it known that nothing was charged? It is noted",
        ),
        (problem, "--evidence", problem or ""),
    )


def _selection(
    status: list[Retryable],
    currency: str | None,
    older_than: str | None,
    error_contains: str | None,
    *,
    rejected: bool,
) -> Selection:
    from breakwall.payments.operator.bulk_retry import Selection

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
