"""The verdict: what is going on, in one sentence, and what will happen next. Pure.

A snapshot has exactly one verdict: the first of the `SITUATIONS` that holds. What a person has to do comes before what
ends by itself, and a cause before its consequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from breakwall.monitor.counts import Counted
from breakwall.web.page.circumstances import Circumstances
from breakwall.web.page.situations import SITUATIONS, Severity, Situation, needs_person
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.words import Words, message, plural


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """``sentences``: the first one says what is going on; the others its extent, and what is next."""

    situation: Situation
    severity: Severity
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.sentences)


UNREACHABLE_ADVICE = message("Run `breakwall doctor`.")


def verdict(seen: PageSnapshot, words: Words) -> PageVerdict:
    """The verdict on a snapshot. One that is stale because the database is away is `Situation.UNREACHABLE`."""
    if seen.failed is not None:
        return _unreachable(seen, words)
    view = Circumstances(seen, words)
    for situation, severity, holds, headline in SITUATIONS:
        if holds(view):
            return PageVerdict(situation, severity, (headline(view), *_facts(situation, view)))
    raise AssertionError("the last situation always holds")


def unreachable(words: Words) -> PageVerdict:
    """The verdict without any snapshot."""
    headline = words.text("The orders database does not answer, so nothing is known.")
    return PageVerdict(Situation.UNREACHABLE, Severity.ACT, (headline, words.text(UNREACHABLE_ADVICE)))


def _unreachable(seen: PageSnapshot, words: Words) -> PageVerdict:
    age = words.duration(seen.age)
    headline = words.text("The orders database does not answer. These numbers are %(age)s old.", age=age)
    return PageVerdict(Situation.UNREACHABLE, Severity.ACT, (headline, words.text(UNREACHABLE_ADVICE)))


def _facts(situation: Situation, view: Circumstances) -> Iterator[str]:
    """The extent of a situation, then what is next."""
    backlog, words = view.backlog, view.words
    if backlog.queued:
        yield waiting_text(view.seen, words)
        yield words.text("Oldest %(time)s.", time=words.duration(backlog.oldest_age_seconds))
    if view.people_wanted:
        if situation is not Situation.NEEDS_PERSON:
            yield needs_person(view)
        yield _people_wanted_for(view)
    yield from _next(situation, view)
    if situation in _ADVICE:
        yield words.text(_ADVICE[situation])


def _people_wanted_for(view: Circumstances) -> str:
    backlog, words = view.backlog, view.words
    numbers = [
        (message("%(number)s dead"), backlog.dead),
        (message("%(number)s in review"), backlog.review),
        (message("open incidents: %(number)s"), backlog.incidents),
    ]
    parts = [words.text(text, number=words.number(number)) for text, number in numbers if number]
    if backlog.aside_counted is Counted.AT_LEAST:
        return words.text("(at least: %(numbers)s)", numbers=", ".join(parts))
    return f"({', '.join(parts)})"


def waiting_text(seen: PageSnapshot, words: Words) -> str:
    """How many orders wait, and their money."""
    backlog = seen.backlog
    money = words.amounts(backlog.amounts)
    values = {"money": money} if money else {}
    at_least = backlog.counted is Counted.AT_LEAST
    return words.count(*_WAITING[bool(money), at_least], backlog.queued, **values)


# What to do, or what happens without a person.
_ADVICE = {
    Situation.READ_ONLY: message("Nothing is charged until it takes writes again."),
    Situation.NO_WORKER: message("Start one: `breakwall worker`."),
    Situation.BROKER_AWAY: message("Run `breakwall doctor`."),
    Situation.STORE_LOST: message("Run `breakwall doctor`."),
    Situation.UNPROBED: message("Start a worker, or look at the workers below."),
    Situation.OTHER_GATEWAY: message("Run a worker with the settings of that gateway."),
    Situation.REJECTED: message("Run `breakwall doctor`: it asks the service itself."),
    Situation.STALLED: message("Look at the workers below, and restart one that hangs."),
    Situation.HANGING: message("It is tried again as soon as those calls have ended."),
    Situation.PROBING: message("If they succeed, the backlog drains by itself."),
}

_WAITING = {
    (True, False): plural(
        "%(number)s order (%(money)s) waiting, none lost.",
        "%(number)s orders (%(money)s) waiting, none lost.",
    ),
    (True, True): plural(
        "At least %(number)s order (%(money)s or more) waiting, none lost.",
        "At least %(number)s orders (%(money)s or more) waiting, none lost.",
    ),
    (False, False): plural("%(number)s order waiting, none lost.", "%(number)s orders waiting, none lost."),
    (False, True): plural(
        "At least %(number)s order waiting, none lost.",
        "At least %(number)s orders waiting, none lost.",
    ),
}


def _next(situation: Situation, view: Circumstances) -> Iterator[str]:
    words, backlog = view.words, view.backlog
    if situation is Situation.DOWN:
        if view.breaker.retry_after >= 1:  # Not "in 0 s".
            yield words.text("Next probe in %(time)s.", time=words.duration(view.breaker.retry_after))
        else:
            yield words.text("The next order is a probe.")
    elif situation is Situation.PAUSED:
        yield from _end(view, view.pause_left)
    elif situation in {Situation.FORCED_OPEN, Situation.FORCED_CLOSED}:
        yield from _end(view, view.override_left)
        if view.backlog.paused is not None:
            yield words.text("The queue is paused as well.")
    elif situation in _DRAINING and backlog.drain_eta_range_seconds and backlog.queued:
        least, most = backlog.drain_eta_range_seconds
        yield words.text("Done in about %(time)s.", time=time_range(least, most, words))
    elif situation is Situation.WAITING and backlog.next_due_seconds:
        yield words.text("The next is due in %(time)s.", time=words.duration(backlog.next_due_seconds))


_DRAINING = {Situation.DRAINING, Situation.SLOW, Situation.NEEDS_PERSON, Situation.FORCED_CLOSED}


def _end(view: Circumstances, seconds: float | None) -> Iterator[str]:
    if seconds is None:
        yield view.words.text("It stays so until a person ends it.")
    else:
        yield view.words.text("It ends by itself in %(time)s.", time=view.words.duration(seconds))


def time_range(least: float, most: float, words: Words) -> str:
    """Such as ``4 min – 6 min``, or one time if both are the same in words."""
    first, last = words.duration(least), words.duration(most)
    return first if first == last else f"{first} – {last}"
