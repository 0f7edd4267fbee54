"""`breakwall rehearse`."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.errors import ExitCode
from breakwall.terminal.options import Format, MissingOptionError, OutputOption, refuse_where, require

if TYPE_CHECKING:
    from breakwall.rehearsal.promises import Promises
    from breakwall.rehearsal.questions import Question
    from breakwall.rehearsal.requests import Terms
    from breakwall.settings import Settings

MOST_CHARGES = 40
MOST_SECONDS = 300
NEEDS_A_SANDBOX = (
    "this command charges test payment methods, repeats requests and cuts connections on purpose, to see what the "
    "payment service really does. Configure a sandbox of it, with a test key, and say so with --sandbox"
)
NEEDS_A_METHOD = "a test payment method that the sandbox charges, as an order would have it"


def rehearse(
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="The configured service is a sandbox: no real money.")
    ] = False,
    payment_method: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="A test payment method that the sandbox charges. Other users of this machine can see it while the "
            "command runs.",
        ),
    ] = None,
    declined_payment_method: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="One that the sandbox declines.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of each charge, as with `orders place`; may be repeated."),
    ] = None,
    currency: Annotated[str, typer.Option(help="The currency of all charges.")] = "USD",
    amount: Annotated[
        int, typer.Option(min=1, help="The amount of each charge, in minor units: the service's minimum.")
    ] = 1,
    most_charges: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Charge no more than this; refuse to begin if that is too few."),
    ] = MOST_CHARGES,
    most_seconds: Annotated[
        int, typer.Option(min=1, max=86_400, help="Ask nothing more after this.")
    ] = MOST_SECONDS,
    burst: Annotated[
        int, typer.Option(min=0, max=500, help="See what so many charges as fast as possible get.")
    ] = 0,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTION",
            help="Leave a question out; may be repeated: unknown, repeat, lookup, at-once, cut, late, resend, amount, "
            "keys, declined, prepare.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Ask a sandbox of the payment service what it really promises, and compare that with the settings.

    Does a repeated key charge twice: one after the other, at once, after a cut? From when on does a look-up find a
    charge, and for which keys? What do an unknown key, a declined card and too many calls get? The gateway is made as
    in a worker; a proxy of this command cuts and repeats on its way.

    It makes charges of --amount, lists each of them, and refunds none. Ctrl-C, SIGTERM and SIGHUP stop it, and the list
    comes. It writes no order, and touches no circuit.

    Exits with 1 if a setting or the gateway's profile promises more than was seen, or if it was stopped.
    """
    require(
        (sandbox, "--sandbox", NEEDS_A_SANDBOX),
        (payment_method, "--payment-method", NEEDS_A_METHOD),
    )
    terms = _terms(amount, currency, str(payment_method), declined_payment_method, metadata)

    from breakwall.cli.rehearse_text import announce, show_question, write_rehearsal
    from breakwall.rehearsal.live_keys import refuse_a_live_key
    from breakwall.rehearsal.questions import left_out
    from breakwall.rehearsal.run import open_rehearsal
    from breakwall.rehearsal.sandbox import RehearsalLimits
    from breakwall.settings import load_settings

    settings = load_settings()
    refuse_a_live_key(settings)
    promises, questions = _plan(settings, skip or [], burst, most_charges)
    if output is Format.TEXT:
        announce(settings, terms, questions)
    limits = RehearsalLimits(most_charges, most_seconds, settings.payment_timeout)
    with open_rehearsal(settings, terms, limits, promises, questions, show_question) as rehearsal:
        rehearsal.left_out = left_out(skip or [], burst)
        try:
            with _signals_as_ctrl_c():
                rehearsal.run()
        finally:
            write_rehearsal(rehearsal, output)
    if not rehearsal.ok:
        raise typer.Exit(ExitCode.FAILURE)


@contextmanager
def _signals_as_ctrl_c() -> Iterator[None]:
    """The list of charges comes also after the signals with which `timeout`, CI systems and terminals end commands."""
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terms(
    amount: int, currency: str, payment_method: str, declined: str | None, metadata: list[str] | None
) -> Terms:
    """What each charge is made of; `InvalidOrderError` names the field of an order that could not have it."""
    from breakwall.cli.orders.metadata_option import metadata_named
    from breakwall.payments.orders import Order
    from breakwall.rehearsal.requests import USER, Terms

    named = metadata_named(metadata) if metadata else None
    for method in (payment_method, declined):
        Order(USER, amount, currency, USER, payment_method=method, metadata=named)
    return Terms(amount, currency, payment_method, declined, named)


def _plan(
    settings: Settings, skip: Sequence[str], burst: int, most_charges: int
) -> tuple[Promises, list[Question]]:
    """What is relied on, and the questions, if they need no more charges than permitted."""
    from breakwall.payments.gateways import profile_from_settings
    from breakwall.rehearsal.promises import Promises
    from breakwall.rehearsal.questions import NAMES, questions_for

    unknown = [name for name in skip if name not in NAMES]
    refuse_where((unknown, "--skip", f"should be one of {', '.join(NAMES)}"))
    promises = Promises.of(settings, profile_from_settings(settings))
    questions = questions_for(promises, skip=skip, burst=burst)
    needed = sum(question.charges for question in questions)
    if needed > most_charges:
        raise MissingOptionError(
            f"The questions may need {needed} charges: give --most-charges {needed}, or leave some out with --skip"
        )
    return promises, questions
