"""A payment service, a broker and a shop that survive the death of the process: each is a file of lines.

Each line is one ``write`` to a file opened with O_APPEND: the kernel has all of it or nothing. Memory holds nothing.
"""

import json
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event
from breakwall.simulator.charge_book import Charge

SETTLE_SECONDS = 30.0
LATE = 20.0  # Seconds after which a delayed request is executed: within the settle time.

PROFILES = {
    "key and look-up": GatewayProfile(True, 86_400.0, True, SETTLE_SECONDS),
    "look-up only": GatewayProfile(False, 0.0, True, SETTLE_SECONDS),
    "key only": GatewayProfile(True, 86_400.0, False, SETTLE_SECONDS),
    "neither": GatewayProfile(False, 0.0, False, SETTLE_SECONDS),
    "prepares and cancels": GatewayProfile(False, 0.0, False, SETTLE_SECONDS, prepares=True, cancels=True),
}


class Behavior(StrEnum):
    """What the service, or the network before it, does with one request to charge."""

    CHARGE = "charges and answers"
    LOSE = "charges, and the answer is lost"
    VANISH = "never gets the request, and no answer comes"
    DELAY = "gets the request late, and no answer comes"
    ERROR = "fails with a 500 and stores that under the key"
    DECLINE = "declines"
    REJECT = "rejects the request for ever"
    REFUSE = "accepts no connection"


class File:
    """Lines of JSON that survive the process that writes them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, **line: Any) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, json.dumps(line).encode() + b"\n")
        finally:
            os.close(handle)

    def lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text().splitlines()]

    def wipe(self) -> None:
        self._path.unlink(missing_ok=True)


class FileGateway:
    """A payment service that does exactly what its profile guarantees.

    Args:
        path: its ledger: every request, with the result.
        behaviors: what it does with the first requests, one each; it charges all later ones.
        now: returns seconds.
    """

    def __init__(
        self, path: Path, profile: GatewayProfile, behaviors: Sequence[Behavior], now: Callable[[], float]
    ) -> None:
        self.profile = profile
        self.during: Callable[[], object] = lambda: None
        self._file = File(path)
        self._prepared = File(path.with_suffix(".prepared"))
        self._cancelled = File(path.with_suffix(".cancelled"))
        self._behaviors = behaviors
        self._now = now

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        lines = self._file.lines()
        behavior = self._behaviors[len(lines)] if len(lines) < len(self._behaviors) else Behavior.CHARGE
        stored = self._stored(lines, request)
        result = stored["result"] if stored else _executed(behavior)
        charge_id = None
        if result == "succeeded":
            charge_id = stored["charge_id"] if stored else f"ch_{len(lines)}"
        self._file.append(
            order_id=request.order_id,
            user_id=request.user_id,
            amount=request.amount,
            currency=request.currency,
            key=request.idempotency_key,
            prepared=request.prepared,
            reached=behavior not in {Behavior.REFUSE, Behavior.VANISH},
            replayed=stored is not None,
            at=self._now() + (LATE if behavior is Behavior.DELAY else 0.0),
            result=None if behavior in {Behavior.REFUSE, Behavior.VANISH} else result,
            charge_id=charge_id,
        )
        self.during()
        return _answer(behavior, result, charge_id)

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        assert self.profile.looks_up, "this service has no look-up"
        for line in self._file.lines():
            if line["key"] == idempotency_key and line["at"] <= self._now():
                if line["result"] == "succeeded":
                    return LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id=line["charge_id"])
                if line["result"] == "declined":
                    return LookupAnswer(LookupResult.DECLINED, Health.SUCCESS)
        return LookupAnswer(LookupResult.ABSENT, Health.SUCCESS, code="http_404")

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        prepared = f"pi_{len(self._prepared.lines())}"
        self._prepared.append(id=prepared, order_id=request.order_id)
        return Prepared(prepared)

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        if prepared in self._cancellations():
            return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)
        for line in self._file.lines():
            if line["prepared"] == prepared and line["at"] <= self._now() and line["result"] in _STORED:
                result = LookupResult(line["result"])
                return LookupAnswer(result, Health.SUCCESS, charge_id=line["charge_id"])
        return LookupAnswer(LookupResult.PREPARED, Health.SUCCESS)

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        if request.prepared is None:
            return LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL)
        found = self.look_up_prepared(request.prepared, deadline=deadline)
        if found.result is not LookupResult.PREPARED:
            return found
        self._cancelled.append(id=request.prepared, at=self._now())
        return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)

    def close(self) -> None:
        pass

    def _cancellations(self) -> dict[str, float]:
        return {line["id"]: line["at"] for line in self._cancelled.lines()}

    def charges(self) -> list[Charge]:
        """What was or will be executed. A replay is no execution, and what is cancelled before it arrives is none."""
        cancelled = self._cancellations()
        return [
            Charge(
                line["charge_id"] or f"declined_{number}",
                line["key"],
                line["order_id"],
                line["user_id"],
                line["amount"],
                line["currency"],
                line["result"],
                None,
                str(line["at"]),
            )
            for number, line in enumerate(self._file.lines())
            if line["result"] in _STORED
            and not line["replayed"]
            and line["at"] <= cancelled.get(line["prepared"], line["at"])
        ]

    def requests(self) -> list[tuple[str, str]]:
        """Order id and key of each request that reached the service."""
        return [(line["order_id"], line["key"]) for line in self._file.lines() if line["reached"]]

    def sent_for(self, order_id: str) -> int:
        """How many requests left for an order, whether they arrived or not."""
        return sum(line["order_id"] == order_id for line in self._file.lines())

    def _stored(self, lines: list[dict[str, Any]], request: ChargeRequest) -> dict[str, Any] | None:
        """The request that this one repeats: with the same key, or for the same prepared charge."""
        if request.prepared is not None:
            of_it = (line for line in lines if line["prepared"] == request.prepared)
            return next((line for line in of_it if line["result"] in _STORED), None)
        if not self.profile.deduplicates:
            return None
        of_key = (line for line in lines if line["key"] == request.idempotency_key)
        return next((line for line in of_key if line["result"] in {*_STORED, "error"}), None)


_STORED = {"succeeded", "declined"}


def _executed(behavior: Behavior) -> str | None:
    results = {Behavior.ERROR: "error", Behavior.DECLINE: "declined", Behavior.REJECT: "rejected"}
    if behavior in {Behavior.CHARGE, Behavior.LOSE, Behavior.DELAY}:
        return "succeeded"
    return results.get(behavior)


def _answer(behavior: Behavior, result: str | None, charge_id: str | None) -> ChargeAnswer:
    if behavior is Behavior.REFUSE:
        return ChargeAnswer(Outcome.NOT_SENT, Health.FAILURE, code="ConnectError")
    if behavior in {Behavior.LOSE, Behavior.VANISH, Behavior.DELAY}:
        return ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout")
    match result:
        case "succeeded":
            return ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=charge_id)
        case "declined":
            return ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")
        case "error":
            return ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="http_500", spends_key=True)
        case _:
            return ChargeAnswer(
                Outcome.UNKNOWN, Health.NEUTRAL, code="http_400", advice=Advice.STOP, spends_key=True
            )


class FileShop:
    """Takes every event. It is a destination of outcomes."""

    name = "webhook"
    endpoint = None

    def __init__(self, path: Path) -> None:
        self._file = File(path)

    def deliver(self, event: Event, *, deadline: float) -> Result:
        self._file.append(id=event.id, body=event.body.decode(), status=event.status)
        return DELIVERED

    def taken(self) -> list[dict[str, str]]:
        """Each event as often as it came."""
        return self._file.lines()

    def close(self) -> None:
        pass


class FileBroker:
    """The retry queue: a message waits until any process acknowledges it.

    It is a publisher for producers and dispatcher, and the channel on which a Celery message is acknowledged.
    """

    no_ack_consumers = None  # kombu: every message is to be acknowledged

    def __init__(self, path: Path) -> None:
        self._file = File(path)
        self.takes: int | None = None  # How many more messages it accepts; None: any number.

    def publish_many(self, order_ids: Sequence[str]) -> int:
        taken = order_ids if self.takes is None else order_ids[: self.takes]
        for order_id in taken:
            self._file.append(published=order_id)
        return len(taken)

    def publish_soon(self, order_ids: Sequence[str]) -> None:
        self.publish_many(order_ids)

    def waiting(self) -> list[tuple[int, str]]:
        """Delivery tag and order id of each message that is not acknowledged."""
        lines = self._file.lines()
        done = {line["acknowledged"] for line in lines if "acknowledged" in line}
        sent = ((tag, line["published"]) for tag, line in enumerate(lines) if "published" in line)
        return [(tag, order_id) for tag, order_id in sent if tag not in done]

    def depth(self) -> int:
        return len(self.waiting())

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        self._file.append(acknowledged=delivery_tag)

    def wipe(self) -> None:
        self._file.wipe()

    def close(self) -> None:
        pass
