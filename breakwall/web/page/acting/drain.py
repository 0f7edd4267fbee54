"""What a person does with the drain on the page: pause it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from breakwall.payments.fleet.drain_control import DrainControl, DrainState, read_state
from breakwall.payments.interventions import Author
from breakwall.web.page.acting.action_page import ActionPage, Done, Fact, version_of
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.acting.form_field import duration_field, duration_in
from breakwall.web.page.drain_view import pause_said
from breakwall.web.page.words import Words

router = action_router()

BACK = "/#drain"
PAUSES = (300.0, 900.0, 3600.0, 14_400.0)  # Seconds that can be chosen.
CHOSEN_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class Drain:
    """What holds, and when it was read, by the database's clock."""

    state: DrainState
    now: datetime

    @property
    def version(self) -> str:
        """Of the pause."""
        pause = self.state.paused
        return version_of(pause and (pause.actor, pause.reason, pause.at, pause.until))


def read_drain(asked: Asked) -> Drain:
    """The drain as it is now. Raises `DatabaseUnavailableError`."""
    clock = asked.services.clock

    def work(connection: Connection) -> Drain:
        now: datetime = connection.execute(select(clock.after(0))).scalar_one()
        return Drain(read_state(connection, clock), now)

    return asked.services.database.read(work)


def _control(asked: Asked) -> DrainControl:
    return DrainControl(asked.services.database, clock=asked.services.clock)


def drain_facts(asked: Asked, drain: Drain) -> Iterator[Fact]:
    """Whether it is paused, and how much waits."""
    text = asked.words.text
    now = pause_said(drain.state.paused, drain.now, asked.words)
    yield Fact(text("Drain"), now or text("running"))
    backlog = asked.services.live.latest().backlog
    if backlog is not None:
        money = asked.words.amounts(backlog.amounts)
        number = asked.words.number(backlog.queued)
        yield Fact(text("Waiting"), f"{number} ({money})" if money else number)


def _pause_page(asked: Asked) -> ActionPage:
    text, drain = asked.words.text, read_drain(asked)
    is_paused = drain.state.paused is not None
    return ActionPage(
        title=text("Keep the drain paused") if is_paused else text("Pause the drain"),
        button=text("Keep it paused") if is_paused else text("Pause the drain"),
        explanation=(
            text(
                "Workers of the whole fleet send no waiting order any more: each obeys within about two seconds, also "
                "after a restart."
            ),
            text("Calls that run end as usual, and no order is lost."),
            text("New orders are still tried at once; to stop those too, force the circuit open."),
        ),
        facts=tuple(drain_facts(asked, drain)),
        fields=(duration_field(PAUSES, CHOSEN_PAUSE, _for_ever(asked.words), asked.words),),
        version=drain.version,
        back=BACK,
    )


def _for_ever(words: Words) -> str:
    return words.text("until a person ends it")


def _pause(asked: Asked, author: Author) -> Done:
    _control(asked).pause(author, duration_in(asked.typed("lasts")))
    return Done("drain_paused")


add_action(router, "/act/drain/pause", _pause_page, _pause)
