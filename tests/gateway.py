"""A gateway whose answers the test chooses."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from breakwall.payments.gateways.base import (
    ChargeAnswer,
    ChargeRequest,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)

PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
DECLINED = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")
DOWN = ChargeAnswer(Outcome.NOT_SENT, Health.FAILURE, code="ConnectError")
LOST = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout")

FOUND = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
ABSENT = LookupAnswer(LookupResult.ABSENT, Health.SUCCESS)
NO_ANSWER = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="http_503")

PLAIN = GatewayProfile(deduplicates=False, key_life=0.0, looks_up=True, absent_after=30.0)
KEYED = GatewayProfile(deduplicates=True, key_life=86_400.0, looks_up=True, absent_after=30.0)


class ScriptedGateway:
    """Answers charges and look-ups from its lists, and records the requests.

    ``during`` is called in the middle of each charge. ``known`` are charges that each look-up finds, by key. As the
    protocol demands, nothing is sent past the deadline.
    """

    def __init__(self, profile: GatewayProfile = PLAIN) -> None:
        self.profile = profile
        self.answers: deque[ChargeAnswer] = deque()
        self.lookups: deque[LookupAnswer] = deque()
        self.charged: list[ChargeRequest] = []
        self.looked_up: list[str] = []
        self.known: dict[str, str] = {}
        self._absent: set[str] = set()
        self.during: Callable[[], None] = lambda: None

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        if time.monotonic() >= deadline:
            return ChargeAnswer(Outcome.NOT_SENT, Health.NEUTRAL, code="deadline")
        self.charged.append(request)
        self.during()
        return self.answers.popleft()

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """Return the next answer; without one, "absent" if the key was absent at the last look-up."""
        self.looked_up.append(idempotency_key)
        if idempotency_key in self.known:
            return replace(FOUND, charge_id=self.known[idempotency_key])
        if not self.lookups and idempotency_key in self._absent:
            return ABSENT
        answer = self.lookups.popleft()
        if answer.result is LookupResult.ABSENT:
            self._absent.add(idempotency_key)
        else:
            self._absent.discard(idempotency_key)
        return answer

    def close(self) -> None:
        pass


PREPARING = GatewayProfile(
    deduplicates=False, key_life=0.0, looks_up=False, absent_after=30.0, prepares=True, cancels=False
)
CANCELLING = replace(PLAIN, cancels=True)
CANCELLED = LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)
UNCONFIRMED = LookupAnswer(LookupResult.PREPARED, Health.SUCCESS)


class CancellingScriptedGateway(ScriptedGateway):
    """The same for a service that can cancel a charge. ``cancels`` are the answers, ``cancelled`` the requests."""

    def __init__(self, profile: GatewayProfile = CANCELLING) -> None:
        super().__init__(profile)
        self.cancels: deque[LookupAnswer] = deque()
        self.cancelled: list[ChargeRequest] = []

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        self.cancelled.append(request)
        return self.cancels.popleft()


class PreparingScriptedGateway(CancellingScriptedGateway):
    """The same for a service whose charges are prepared first: by default, one with the id ``pi_`` and the key.

    ``preparations`` are other answers, ``prepared`` the requests; ``between`` is called after each.
    """

    def __init__(self, profile: GatewayProfile = PREPARING) -> None:
        super().__init__(profile)
        self.preparations: deque[Prepared | ChargeAnswer] = deque()
        self.prepared: list[ChargeRequest] = []
        self.between: Callable[[], None] = lambda: None

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        self.prepared.append(request)
        answer = self.preparations.popleft() if self.preparations else prepared_for(request)
        self.between()
        return answer

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        self.looked_up.append(prepared)
        return self.lookups.popleft()


def prepared_for(request: ChargeRequest) -> Prepared:
    """What `PreparingScriptedGateway` prepares."""
    return Prepared(f"pi_{request.idempotency_key}")
