"""`breakwall breaker force-open|force-close|observe|auto`: an operator's word to the whole fleet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.terminal.authors import ActorOption, author
from breakwall.terminal.durations import parse_duration
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from breakwall.breaker import BreakerStatus, CircuitBreaker
    from breakwall.settings import Settings

logger = logging.getLogger(__name__)

WhyOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. Everybody is shown it.")]
LiftOption = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why. Checked, not kept: what was lifted leaves nothing to show.",
        show_default=False,
    ),
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="DURATION",
        help="For how long: 30s, 10m, 2h, 1d; until `breakwall breaker auto` when not given.",
        show_default=False,
    ),
]


class NotSharedError(Exception):
    """The circuit is not shared, so nobody would hear of an override; nothing was changed."""


def force_open(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse every payment of every process: orders are queued, nothing is sent.

    For a maintenance that the payment service has announced. The circuit goes on computing its own state,
    and `breakwall breaker status` shows it beside the override.

    Every process that shares the circuit's store obeys at its next payment, at most a refresh interval
    (0.2 s) later. Exits with 1 when the store does not confirm the override, with 4 when the store is
    memory://, which no two processes share.
    """
    status = _override(lambda breaker: breaker.force_open, reason, lasting, actor)
    _tell("Every payment is refused from now on, and its order queued.", status, output)


def force_close(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse no payment, whatever the circuit makes of the payment service.

    For a false alarm. Otherwise as force-open.
    """
    status = _override(lambda breaker: breaker.force_close, reason, lasting, actor)
    _tell("No payment is refused from now on.", status, output)


def observe(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse no payment, but report each that would have been: a trial run of the thresholds.

    Otherwise as force-open.
    """
    status = _override(lambda breaker: breaker.observe, reason, lasting, actor)
    _tell("No payment is refused from now on; what would have been is reported.", status, output)


def auto(reason: LiftOption = None, actor: ActorOption = None, output: OutputOption = Format.TEXT) -> None:
    """Lift the override, if there is one: the circuit's computed state decides again.

    Exits with 1 when the store does not confirm it, with 4 when the store is memory://.
    """
    who = author(actor, reason)
    status = _say(lambda breaker: breaker.auto(who.actor))
    _tell("The circuit decides for itself from now on.", status, output)


def _override(
    word: Callable[[CircuitBreaker], Callable[[str, str, float | None], None]],
    reason: str,
    lasting: str | None,
    actor: str | None,
) -> BreakerStatus:
    who, seconds = author(actor, reason), _seconds(lasting)
    return _say(lambda breaker: word(breaker)(reason, who.actor, seconds))


def _seconds(lasting: str | None) -> float | None:
    if lasting is None:
        return None
    seconds = parse_duration(lasting, "--for")
    if seconds == 0:
        raise typer.BadParameter("should be longer than nothing", param_hint="--for")
    return seconds


def _say(word: Callable[[CircuitBreaker], None]) -> BreakerStatus:
    """Have the word confirmed by the store, and look at what comes of it.

    Raises:
        NotSharedError: it would reach this command alone.
        StoreLostError: the store did not confirm it.
    """
    from breakwall.settings import load_settings
    from breakwall.wiring import open_breaker

    settings = load_settings()
    if settings.breaker_store.startswith("memory://"):
        raise NotSharedError(
            "the breaker's store is memory://, which every process has for itself: an override would only "
            "affect this command's own process. Set BREAKWALL_BREAKER_STORE_URL to a store that is shared"
        )
    _warn_of_new_file(settings)
    with open_breaker(settings) as breaker:
        word(breaker)
        return breaker.status()


def _warn_of_new_file(settings: Settings) -> None:
    """Said in the wrong folder, or with a slip in the URL, the word would be to a fleet of nobody."""
    from pathlib import Path

    from sqlalchemy import make_url

    url = settings.breaker_store
    file = make_url(url).database if url.startswith("sqlite") else None
    if file and not Path(file).exists():
        logger.warning("the breaker's store %s is new: no running process has used it", file)


def _tell(sentence: str, status: BreakerStatus, output: Format) -> None:
    from breakwall.cli.backlog.text import breaker_fields
    from breakwall.monitor.backlog import breaker_document
    from breakwall.terminal.output import data, write_fields, write_json

    if output is Format.JSON:
        write_json(breaker_document(status))
        return
    data().print(sentence, highlight=False)
    write_fields(breaker_fields(status))
