"""The service port: ``POST /api/charge`` and ``GET /api/charges/{key}``, with the faults of the moment."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from breakwall.simulator.ledger import Charge
from breakwall.simulator.protocol import BadRequestError, JsonHandler
from breakwall.simulator.randomness import Fate
from breakwall.simulator.service import KeyBusyError, KeyReusedError, Payload

_LOOK_UP = "/api/charges/"
_KEY_LENGTH = 255
_TEXT_LENGTH = 255
_LARGEST_AMOUNT = 2**53


class ChargeHandler(JsonHandler):
    """One connection of a client of the payment service."""

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        try:
            if urlsplit(self.path).path != "/api/charge":
                raise self.unread(404, "charges are taken at POST /api/charge")
            said = self.read_json()
            key, payload = _key(self.headers.get("Idempotency-Key")), _payload(said)
        except BadRequestError as error:
            self.answer(error.status, {"error": str(error), "code": "bad_request"})
            return
        self._meet(key, lambda fate: self._charge(key, payload, fate))

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        path = urlsplit(self.path).path
        key = unquote(path.removeprefix(_LOOK_UP))
        if not path.startswith(_LOOK_UP) or not key:
            self.answer(
                404, {"error": "charges are looked up at GET /api/charges/{key}", "code": "no_such_path"}
            )
            return
        self._meet(key, lambda fate: self._look_up(key, fate))

    def _meet(self, key: str, serve: Callable[[Fate], None]) -> None:
        """What may befall any request before it is looked at."""
        simulator = self.simulator
        faults, fate = simulator.faults, simulator.next_fate(key)
        if faults.throttle is not None and not simulator.limiter.admits(faults.throttle, time.monotonic()):
            simulator.caused("throttle")
            self.answer(429, {"error": "slow down"}, **_retry_after(faults.throttle.retry_after))
        elif fate.hang < faults.hang:
            simulator.caused("hang")
            self.hang(simulator.stopping)
        elif fate.error < faults.error_rate:
            simulator.caused("error")
            simulator.stopping.wait(fate.seconds(faults))
            self.answer(
                faults.error_status, {"error": "out of order"}, **_retry_after(faults.error_retry_after)
            )
        else:
            serve(fate)

    def _charge(self, key: str, payload: Payload, fate: Fate) -> None:
        service = self.simulator.service
        try:
            charge = service.begin(key, payload) or self._execute(key, payload, fate)
        except KeyBusyError:
            self.answer(409, {"error": "the same key is being charged right now", "code": "key_in_use"})
        except KeyReusedError:
            self.answer(422, {"error": "the key was used with another payload", "code": "key_reused"})
        except sqlite3.Error:
            self.answer(500, {"error": "the ledger could not be written", "code": "ledger"})
        else:
            if charge is not None:
                self._conclude(charge, fate)

    def _execute(self, key: str, payload: Payload, fate: Fate) -> Charge | None:
        simulator = self.simulator
        if simulator.stopping.wait(fate.seconds(simulator.faults)):
            simulator.service.abandon(key)
            self.close_connection = True
            return None
        declined = fate.decline < simulator.faults.decline_rate
        return simulator.service.complete(key, payload, declined=declined)

    def _conclude(self, charge: Charge, fate: Fate) -> None:
        faults = self.simulator.faults
        if charge.status == "declined":
            self._reply(402, {"status": "declined", "code": charge.code}, fate)
        elif fate.charge_then_fail < faults.charge_then_fail:
            self._fail_after_charge(faults.charge_then_fail_how)
        else:
            self._reply(200, {"status": "succeeded", "charge_id": charge.charge_id}, fate)

    def _fail_after_charge(self, how: str) -> None:
        self.simulator.caused("charge_then_fail")
        if how == "reset":
            self.reset()
        elif how == "hang":
            self.hang(self.simulator.stopping)
        else:
            self.answer(500, {"error": "something went wrong"})

    def _look_up(self, key: str, fate: Fate) -> None:
        simulator = self.simulator
        simulator.stopping.wait(fate.seconds(simulator.faults))
        found = simulator.service.look_up(key)
        if found is None:
            self._reply(404, {"error": "no such charge", "code": "no_such_charge"}, fate)
        elif isinstance(found, Charge):
            said = {"status": found.status, "charge_id": found.charge_id}
            self._reply(200, said | ({"code": found.code} if found.code else {}), fate)
        else:
            self._reply(200, {"status": found}, fate)

    def _reply(self, status: int, said: dict[str, Any], fate: Fate) -> None:
        """A truthful answer, unless the answer itself is to be spoiled."""
        simulator = self.simulator
        if fate.garbage < simulator.faults.garbage:
            simulator.caused("garbage")
            self.send_garbage()
        elif fate.drip < simulator.faults.drip:
            simulator.caused("drip")
            answer = self.rendered(status, json.dumps(said).encode(), "application/json")
            self.drip(answer, simulator.faults.drip_interval, simulator.stopping)
        else:
            self.answer(status, said)


def _retry_after(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry_After": f"{seconds:g}"}


def _key(text: str | None) -> str:
    if text is None or not text.strip():
        raise BadRequestError(400, "an Idempotency-Key header is needed")
    if len(text) > _KEY_LENGTH:
        raise BadRequestError(400, f"the Idempotency-Key should have at most {_KEY_LENGTH} characters")
    return text.strip()


def _payload(said: Any) -> Payload:
    if not isinstance(said, dict):
        raise BadRequestError(400, "the body should be a JSON object")
    amount, currency = said.get("amount"), _text(said, "currency")
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= _LARGEST_AMOUNT:
        raise BadRequestError(400, "amount: should be a positive whole number of the currency's minor units")
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise BadRequestError(400, "currency: should be three capital letters, such as KRW")
    reference = _text(said, "reference") if said.get("reference") is not None else None
    return Payload(_text(said, "order_id"), _text(said, "user_id"), amount, currency, reference)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value or len(value) > _TEXT_LENGTH:
        raise BadRequestError(400, f"{name}: should be text of 1 to {_TEXT_LENGTH} characters")
    return value
