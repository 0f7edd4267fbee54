"""What a person does with the drain on the page: pause it, resume it, limit its speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from breakwall.actors import name_or
from breakwall.payments.fleet.drain_control import DrainControl, DrainState, effective_rate, read_state
from breakwall.payments.interventions import Author
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    Done,
    Fact,
    version_of,
)
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.acting.facts import waiting_facts
from breakwall.web.page.acting.form_field import (
    FieldKind,
    FormField,
    duration_field,
    duration_in,
    number_in,
)
from breakwall.web.page.acting.possible import PAUSE, RATE, RESUME, drain_links
from breakwall.web.page.drain_view import pause_said, rate_said
from breakwall.web.queue import HIGHEST_RATE

router = action_router()

BACK = "/#queue"
PAUSES = (300.0, 900.0, 3600.0, 14_400.0)  # Seconds that can be chosen.
CHOSEN_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class ReadDrain:
    """What holds, and when it was read, by the database's clock."""

    state: DrainState
    now: datetime

    @property
    def is_paused(self) -> bool:
        return self.state.paused is not None

    @property
    def pause_version(self) -> str:
        pause = self.state.paused
        return version_of(pause and (pause.actor, pause.reason, pause.at, pause.until))

    @property
    def rate_version(self) -> str:
        return version_of(self.state.rate)


def read_drain(asked: Asked) -> ReadDrain:
    """The drain as it is now. Raises `DatabaseUnavailableError`."""
    clock = asked.services.clock

    def work(connection: Connection) -> ReadDrain:
        now: datetime = connection.execute(select(clock.after(0))).scalar_one()
        return ReadDrain(read_state(connection, clock), now)

    return asked.services.database.read(work)


def pause_fact(asked: Asked, drain: ReadDrain) -> Fact:
    """Whether the drain is paused, by whom and until when."""
    said = pause_said(drain.state.paused, drain.now, asked.words)
    return Fact(asked.words.text("Queue"), said or asked.words.text("not paused"))


def not_paused(asked: Asked, drain: ReadDrain, title: str) -> ActionImpossibleError:
    """For what is possible during a pause only."""
    return drain_impossible(asked, drain, title, asked.words.text("The queue is not paused."))


def drain_impossible(asked: Asked, drain: ReadDrain, title: str, why: str) -> ActionImpossibleError:
    """It leads to what is possible with the drain now. No order can be released: else it would be possible."""
    links = drain_links(asked.words, is_paused=drain.is_paused, has_waiting=False)
    return ActionImpossibleError(title, why, links, back=BACK)


def _pause_page(asked: Asked) -> ActionPage:
    text, drain = asked.words.text, read_drain(asked)
    return ActionPage(
        title=text("Keep the queue paused") if drain.is_paused else text("Pause the queue"),
        button=text("Keep it paused") if drain.is_paused else text("Pause the queue"),
        explanation=(
            text(
                "Workers of the whole fleet send no waiting order any more: each obeys within about two seconds, also "
                "after a restart."
            ),
            text("Calls that run end as usual, and no order is lost."),
            text("New orders are still tried at once; to stop those too, force the circuit open."),
        ),
        facts=(pause_fact(asked, drain), *waiting_facts(asked)),
        fields=(duration_field(PAUSES, CHOSEN_PAUSE, text("until a person ends it"), asked.words),),
        version=drain.pause_version,
        back=BACK,
    )


def _pause(asked: Asked, author: Author) -> Done:
    _control(asked).pause(author, duration_in(asked.typed("lasts")))
    return Done("queue_paused")


def _resume_page(asked: Asked) -> ActionPage:
    text, drain = asked.words.text, read_drain(asked)
    title = text("Resume the queue")
    if not drain.is_paused:
        raise not_paused(asked, drain, title)
    return ActionPage(
        title=title,
        button=title,
        explanation=(
            text("Workers send the waiting orders that are due again, few at first."),
            text("Orders that were released during the pause are due like all others."),
        ),
        facts=(pause_fact(asked, drain), *waiting_facts(asked)),
        version=drain.pause_version,
        back=BACK,
    )


def _resume(asked: Asked, author: Author) -> Done:
    _control(asked).resume(author)
    return Done("queue_resumed")


def _rate_page(asked: Asked) -> ActionPage:
    text, drain = asked.words.text, read_drain(asked)
    rate = drain.state.rate
    return ActionPage(
        title=text("Limit the queue's speed"),
        button=text("Set the speed"),
        explanation=(
            text("All workers together send at most so many waiting orders a second, also after a restart."),
            text("New orders of customers are not limited."),
        ),
        facts=(*_rate_facts(asked, drain), *waiting_facts(asked)),
        fields=(
            FormField(
                name="per_second",
                label=text("Orders a second"),
                help=text("Leave it empty to lift the limit."),
                kind=FieldKind.NUMBER,
                value="" if rate is None else f"{rate.per_second:g}",
                required=False,
                most=HIGHEST_RATE,
            ),
        ),
        version=drain.rate_version,
        back=BACK,
    )


def _rate_facts(asked: Asked, drain: ReadDrain) -> Iterator[Fact]:
    """What holds now, the limit of the settings, and who has set the one of the drain."""
    text, rate, setting = asked.words.text, drain.state.rate, asked.services.settings.retry.max_rate
    yield Fact(text("Speed"), rate_said(effective_rate(drain.state, setting), asked.words))
    if rate is not None:
        actor = name_or(text("not known"), rate.actor)
        yield Fact(text("Set by"), ": ".join(part for part in (actor, rate.reason) if part))
    if setting is not None:
        yield Fact(text("The settings allow"), rate_said(setting, asked.words))


def _rate(asked: Asked, author: Author) -> Done:
    typed = asked.typed("per_second")
    if not typed and read_drain(asked).state.rate is None:
        advice = asked.words.text("There is no limit to lift: please give a number.")
        raise asked.wrong({"per_second": advice})
    _control(asked).set_rate(author, number_in(typed) if typed else None)
    return Done("rate_limited" if typed else "rate_lifted")


def _control(asked: Asked) -> DrainControl:
    return DrainControl(asked.services.database, clock=asked.services.clock)


add_action(router, PAUSE, _pause_page, _pause)
add_action(router, RESUME, _resume_page, _resume)
add_action(router, RATE, _rate_page, _rate)
