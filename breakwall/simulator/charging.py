"""The service port: ``POST /api/charge`` and ``GET /api/charges/{key}``, with the current faults."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from breakwall.simulator.charge_book import Charge
from breakwall.simulator.faults import Samples
from breakwall.simulator.protocol import BadRequestError, JsonHandler
from breakwall.simulator.service import KeyBusyError, KeyReusedError, Payload

_LOOKUP_PATH = "/api/charges/"
_KEY_LENGTH = _TEXT_LENGTH = 255
_LARGEST_AMOUNT = 2**53


class ChargeHandler(JsonHandler):
    """One connection to the service port."""

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        try:
            if urlsplit(self.path).path != "/api/charge":
                raise self.unread(404, "charges are taken at POST /api/charge")
            fields = self.read_json()
            key, payload = _key(self.headers.get("Idempotency-Key")), _payload(fields)
        except BadRequestError as error:
            self._refuse(error.status, str(error), "bad_request")
            return
        self._serve(key, lambda samples: self._charge(key, payload, samples))

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        path = urlsplit(self.path).path
        key = unquote(path.removeprefix(_LOOKUP_PATH))
        if not path.startswith(_LOOKUP_PATH) or not key:
            self._refuse(404, "charges are looked up at GET /api/charges/{key}", "no_such_path")
            return
        self._serve(key, lambda samples: self._look_up(key, samples))

    def _serve(self, key: str, serve: Callable[[Samples], None]) -> None:
        """Inject a fault that comes before the request is served, or serve the request."""
        simulator = self.simulator
        faults, samples = simulator.faults, simulator.next_samples(key)
        if faults.throttle is not None and not simulator.limiter.admits(faults.throttle, time.monotonic()):
            simulator.count_fault("throttle")
            self.answer(429, {"error": "slow down"}, faults.throttle.retry_after)
        elif samples.hang < faults.hang:
            simulator.count_fault("hang")
            self.hang(simulator.stopping)
        elif samples.error < faults.error_rate:
            simulator.count_fault("error")
            simulator.stopping.wait(samples.seconds(faults))
            self.answer(faults.error_status, {"error": "out of order"}, faults.error_retry_after)
        else:
            serve(samples)

    def _charge(self, key: str, payload: Payload, samples: Samples) -> None:
        try:
            charge = self.simulator.service.begin(key, payload) or self._execute(key, payload, samples)
        except KeyBusyError:
            self._refuse(409, "the same key is being charged right now", "key_in_use")
        except KeyReusedError:
            self._refuse(422, "the key was used with another payload", "key_reused")
        except sqlite3.Error:
            self._refuse(500, "the charge book could not be written", "ledger")
        else:
            if charge is not None:
                self._answer_charge(charge, samples)

    def _execute(self, key: str, payload: Payload, samples: Samples) -> Charge | None:
        simulator = self.simulator
        if simulator.stopping.wait(samples.seconds(simulator.faults)):
            simulator.service.abandon(key)
            self.close_connection = True
            return None
        declined = samples.decline < simulator.faults.decline_rate
        return simulator.service.complete(key, payload, declined=declined)

    def _answer_charge(self, charge: Charge, samples: Samples) -> None:
        faults = self.simulator.faults
        if charge.status == "declined":
            self._reply(402, {"status": "declined", "code": charge.code}, samples)
        elif samples.charge_then_fail < faults.charge_then_fail:
            self._fail_after_charge(faults.charge_then_fail_how)
        else:
            self._reply(200, {"status": "succeeded", "charge_id": charge.charge_id}, samples)

    def _fail_after_charge(self, how: str) -> None:
        self.simulator.count_fault("charge_then_fail")
        if how == "reset":
            self.reset()
        elif how == "hang":
            self.hang(self.simulator.stopping)
        else:
            self.answer(500, {"error": "something went wrong"})

    def _look_up(self, key: str, samples: Samples) -> None:
        simulator = self.simulator
        simulator.stopping.wait(samples.seconds(simulator.faults))
        found = simulator.service.look_up(key)
        if found is None:
            self._reply(404, {"error": "no such charge", "code": "no_such_charge"}, samples)
        elif isinstance(found, Charge):
            code = {"code": found.code} if found.code else {}
            self._reply(200, {"status": found.status, "charge_id": found.charge_id, **code}, samples)
        else:
            self._reply(200, {"status": found}, samples)

    def _reply(self, status: int, document: dict[str, Any], samples: Samples) -> None:
        """Send a truthful answer, unless a fault spoils it."""
        simulator = self.simulator
        if samples.garbage < simulator.faults.garbage:
            simulator.count_fault("garbage")
            self.send_garbage()
        elif samples.drip < simulator.faults.drip:
            simulator.count_fault("drip")
            answer = self.rendered(status, document)
            self.drip(answer, simulator.faults.drip_interval, simulator.stopping)
        else:
            self.answer(status, document)

    def _refuse(self, status: int, message: str, code: str) -> None:
        self.answer(status, {"error": message, "code": code})


def _key(text: str | None) -> str:
    if text is None or not text.strip():
        raise BadRequestError(400, "an Idempotency-Key header is needed")
    if len(text) > _KEY_LENGTH:
        raise BadRequestError(400, f"the Idempotency-Key should have at most {_KEY_LENGTH} characters")
    return text.strip()


def _payload(fields: Any) -> Payload:
    if not isinstance(fields, dict):
        raise BadRequestError(400, "the body should be a JSON object")
    amount, currency = fields.get("amount"), _text(fields, "currency")
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= _LARGEST_AMOUNT:
        raise BadRequestError(400, "amount: should be a positive whole number of the currency's minor units")
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise BadRequestError(400, "currency: should be three capital letters, such as KRW")
    reference = None if fields.get("reference") is None else _text(fields, "reference")
    return Payload(_text(fields, "order_id"), _text(fields, "user_id"), amount, currency, reference)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value or len(value) > _TEXT_LENGTH:
        raise BadRequestError(400, f"{name}: should be text of 1 to {_TEXT_LENGTH} characters")
    return value
