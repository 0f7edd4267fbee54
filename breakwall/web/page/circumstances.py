"""What is asked about a snapshot to find its verdict. Pure."""

from __future__ import annotations

from breakwall.breaker import CircuitState
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.payments.db.clock import seconds_between
from breakwall.web.page.snapshot import PageSnapshot, down_for
from breakwall.web.page.words import Words


class Circumstances:
    """What the situations ask about a snapshot, and the words for it."""

    def __init__(self, seen: PageSnapshot, words: Words) -> None:
        self.seen, self.words = seen, words
        self.backlog = backlog = seen.backlog
        self.breaker = backlog.breaker
        self.kinds = {one.kind for one in backlog.blocked_by}
        self.alarms = {one.kind for one in backlog.warnings}
        self.override = self.breaker.override
        self.mode = None if self.override is None else self.override.mode
        transitions = () if seen.lists is None else seen.lists.transitions
        self.down = down_for(self.breaker, backlog.at, seen.history, transitions)
        # A snapshot without waiting orders has no obstacle, but the circuit may be open.
        self.is_open = self.override is None and self.breaker.state is CircuitState.OPEN
        self.is_probing = self.override is None and self.breaker.state is CircuitState.HALF_OPEN

    @property
    def people_wanted(self) -> int:
        return self.backlog.review + self.backlog.dead + self.backlog.incidents

    @property
    def is_moving(self) -> bool:
        return self.backlog.drained_last_minute > 0

    def has(self, kind: ObstacleKind) -> bool:
        return kind in self.kinds

    def say(self, sentence: str, **values: object) -> str:
        return self.words.text(sentence, **values)

    def lasting(self, sentence: str, without: str) -> str:
        """A sentence with how long the service has been down, or the one ``without`` it if that is not known."""
        if self.down is None:
            return self.say(without)
        return self.say(sentence, time=self.words.duration(self.down))

    @property
    def since_override(self) -> str:
        """How long an operator's override has been in force, in words."""
        if self.override is None:
            return ""
        return self.words.duration(self.breaker.store_time - self.override.set_at)

    @property
    def override_left(self) -> float | None:
        """Seconds until an override ends by itself; None: it does not."""
        until = None if self.override is None else self.override.expires_at
        return None if until is None else until - self.breaker.store_time

    @property
    def pause_left(self) -> float | None:
        """Seconds until a pause ends by itself; None: it does not."""
        until = None if self.backlog.paused is None else self.backlog.paused.until
        return None if until is None else seconds_between(self.backlog.at, until)
