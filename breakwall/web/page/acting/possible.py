"""Which actions on the circuit and the drain can succeed now, as links: the page offers no others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from breakwall.breaker import BreakerStatus, OverrideMode
from breakwall.breaker.operator_commands import no_probe
from breakwall.web.page.acting.action_page import Link
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.words import Words

PAUSE, RESUME = "/act/queue/pause", "/act/queue/resume"
RATE, RELEASE = "/act/queue/rate", "/act/queue/release"
FORCE_OPEN, FORCE_CLOSED = "/act/circuit/force-open", "/act/circuit/force-closed"
OBSERVE, AUTO, PROBE = "/act/circuit/observe", "/act/circuit/auto", "/act/circuit/probe"


@dataclass(frozen=True, slots=True)
class OverviewLinks:
    """What the overview offers, by its part."""

    circuit: tuple[Link, ...] = ()
    drain: tuple[Link, ...] = ()


def overview_links(seen: PageSnapshot, words: Words, *, is_shared: bool) -> OverviewLinks:
    """What can succeed in the state of a snapshot; nothing if it is too old to tell.

    ``is_shared``: whether all processes share the circuit.
    """
    if seen.is_stale:
        return OverviewLinks()
    backlog = seen.backlog
    circuit = circuit_links(backlog.breaker, words) if is_shared else ()
    return OverviewLinks(
        tuple(circuit),
        tuple(drain_links(words, is_paused=backlog.paused is not None, has_waiting=backlog.queued > 0)),
    )


def circuit_links(breaker: BreakerStatus, words: Words) -> Iterator[Link]:
    """Of a circuit that all processes share."""
    if not breaker.store_ok:
        return
    text, mode = words.text, breaker.override and breaker.override.mode
    if no_probe(breaker) is None:
        yield Link(PROBE, text("Probe now"))
    if mode is not None:
        yield Link(AUTO, text("Back to automatic"))
    if mode is OverrideMode.FORCED_OPEN:
        yield Link(FORCE_OPEN, text("Keep it forced open"))
    else:
        yield Link(FORCE_OPEN, text("Force open"))
    if mode is OverrideMode.FORCED_CLOSED:
        yield Link(FORCE_CLOSED, text("Keep it forced closed"))
    else:
        yield Link(FORCE_CLOSED, text("Force closed"))
    if mode is OverrideMode.OBSERVING:
        yield Link(OBSERVE, text("Keep observing"))
    else:
        yield Link(OBSERVE, text("Only observe"))


def drain_links(words: Words, *, is_paused: bool, has_waiting: bool) -> Iterator[Link]:
    """``has_waiting``: whether any order waits."""
    if is_paused:
        yield Link(RESUME, words.text("Resume"))
        if has_waiting:
            yield Link(RELEASE, words.text("Release one order"))
        yield Link(PAUSE, words.text("Keep it paused"))
    else:
        yield Link(PAUSE, words.text("Pause"))
    yield Link(RATE, words.text("Limit the speed"))
