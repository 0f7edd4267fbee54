"""`breakwall orders retry`: one order, some, or all that match."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.find import IdOption, KeyOption, naming
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.durations import parse_duration
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.operator.bulk_retry import Selection


class Retryable(StrEnum):
    """The states that an order can be sent round again from."""

    DEAD = "dead"
    REVIEW = "review"
    QUEUED = "queued"


Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID|KEY", help="The orders' ids or idempotency keys.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="All orders that match --status and the other filters.")]
Status = Annotated[
    list[Retryable] | None,
    typer.Option(help="With --all: their state. May be given more than once.", show_default=False),
]
Currency = Annotated[
    str | None, typer.Option(metavar="CODE", help="With --all: only in this currency.", show_default=False)
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        metavar="AGE", help="With --all: accepted at least so long ago: 90s, 15m, 2h, 7d.", show_default=False
    ),
]
ErrorContains = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="With --all: only where the last error contains this.", show_default=False
    ),
]
Rejected = Annotated[
    bool,
    typer.Option(
        "--rejected",
        help="With --all: only where the payment service rejected the last try, such as for wrong credentials.",
    ),
]
NewKey = Annotated[
    bool,
    typer.Option("--new-key", help="Send it under a new key: of one named order, with --evidence."),
]
Evidence = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="With --new-key: how it is known that nothing was charged. It is noted.",
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="With --all: the oldest N at most.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing, count what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="With --all: do not ask.")]


def retry(
    names: Names = None,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    everything: All = False,
    status: Status = None,
    currency: Currency = None,
    older_than: OlderThan = None,
    error_contains: ErrorContains = None,
    rejected: Rejected = False,
    limit: Limit = None,
    new_key: NewKey = False,
    evidence: Evidence = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Send queued, dead or reviewed orders round again, due at once.

    Each gets a whole new budget of attempts (BREAKWALL_RETRY__MAX_ATTEMPTS); its retry_count goes on
    counting from where it is. An order that may have been charged is looked up before anything is sent, unless the
    payment service promises that its key does not charge again. What is done with a single order, and under which
    key, is said.

    An order gets a new key where the service may give its refusal again for ever, and a look-up has found no charge.
    --new-key gives it one on your word, where no attempt of it is in doubt.

    With --all, every order that matches, oldest first: that needs a --reason, and --yes where nobody can be
    asked. It goes in short transactions of whole orders; stopped in the middle, the same again does the rest.
    How fast they are then charged is the worker's business.

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
    _check_usage(names, everything, [name for name, value in filters.items() if value is not None])
    _check_new_key(names, everything, new_key, evidence, dry_run)
    by = naming(by_id=by_id, by_key=by_key)
    if everything and (by_id or by_key):
        raise typer.BadParameter("goes with orders by name, not with --all", param_hint=f"--{by}")
    selection = None
    if everything:
        selection = _selection(status, currency, older_than, error_contains, rejected=rejected)
    if everything and not dry_run and reason is None:
        raise typer.BadParameter("a bulk action needs a reason, which is noted", param_hint="--reason")
    who = author(actor, reason)

    from breakwall.cli.orders.retry_run import Retrying, Rules
    from breakwall.payments.gateways import profile_from_settings
    from breakwall.settings import load_settings
    from breakwall.wiring import lease_of, open_database, policy_of

    settings = load_settings()
    with closing(open_database(settings)) as database:
        rules = Rules(profile_from_settings(settings), policy_of(settings), lease_of(settings))
        retrying = Retrying(database, who, output, rules)
        if selection is not None:
            retrying.all_matching(selection, limit, dry_run=dry_run, ask=not yes)
        else:
            retrying.named(list(dict.fromkeys(names or [])), by, evidence, dry_run=dry_run)


def _check_usage(names: list[str] | None, everything: bool, filters: list[str]) -> None:
    if everything and names:
        raise typer.BadParameter("either orders by name, or --all", param_hint="--all")
    if everything and "--status" not in filters:
        raise typer.BadParameter("--all needs a state: dead, review or queued", param_hint="--status")
    if not everything and not names:
        raise typer.BadParameter("which orders? Name them, or say --all", param_hint="ID|KEY")
    if not everything and filters:
        raise typer.BadParameter("goes with --all only", param_hint=filters[0])


def _check_new_key(
    names: list[str] | None, everything: bool, new_key: bool, evidence: str | None, dry_run: bool
) -> None:
    if not new_key:
        if evidence is not None:
            raise typer.BadParameter("goes with --new-key", param_hint="--evidence")
        return
    if everything or dry_run or len(names or []) != 1:
        raise typer.BadParameter("goes with one order, named, and without --dry-run", param_hint="--new-key")
    if evidence is None:
        raise typer.BadParameter(
            "how is it known that nothing was charged? It is noted", param_hint="--evidence"
        )
    from breakwall.texts import text_problem

    if problem := text_problem(evidence):
        raise typer.BadParameter(problem, param_hint="--evidence")


def _selection(
    status: list[Retryable] | None,
    currency: str | None,
    older_than: str | None,
    error_contains: str | None,
    *,
    rejected: bool,
) -> Selection:
    from breakwall.currencies import MINOR_DIGITS
    from breakwall.payments.operator.bulk_retry import Selection
    from breakwall.payments.orders import OrderStatus
    from breakwall.texts import character_problem

    if currency is not None and currency not in MINOR_DIGITS:
        wanted = "should be an ISO 4217 code in capitals, such as KRW or USD"
        raise typer.BadParameter(wanted, param_hint="--currency")
    if problem := character_problem(error_contains or ""):
        raise typer.BadParameter(problem, param_hint="--error-contains")
    return Selection(
        statuses=tuple(dict.fromkeys(OrderStatus(state) for state in status or [])),
        currency=currency,
        older_than=0.0 if older_than is None else parse_duration(older_than, "--older-than"),
        error_contains=error_contains or None,
        rejected=rejected,
    )
