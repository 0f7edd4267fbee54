"""Stripe's PaymentIntents, through Stripe's own library. Each call sends one request, and raises no network error."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import stripe
from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.errors import Failure, LibraryLogsError
from breakwall.payments.gateways.stripe.http_client import DeadlineClient, NoAnswerError, within
from breakwall.payments.gateways.stripe.intents import Intent
from breakwall.payments.gateways.stripe.library_logs import check_library_is_silent, unlogged
from breakwall.payments.gateways.transport.errors import Phase

API_VERSION = "2026-10-28.endive"  # Pinned: a newer library must not change what is sent and answered.
_INTENTS = "/v1/payment_intents"


class IntentsApi:
    """Creates, confirms, reads and cancels intents. Threads may share it.

    Args:
        service: where Stripe is.
        api_key: called for the key of each request; must not raise.
        account: the connected account, ``acct_…``, on whose behalf all is done; None: the key's own.
    """

    def __init__(self, service: HttpService, *, api_key: Callable[[], str], account: str | None) -> None:
        self._api_key, self._account = api_key, account
        # For the whole process: there is no switch for one client. It would write an id of this machine to a file.
        stripe.enable_telemetry = False
        self._client = stripe.StripeClient(
            "", http_client=DeadlineClient(service), max_network_retries=0, stripe_version=API_VERSION
        )

    def create(self, parameters: PaymentIntentCreateParams, *, key: str, deadline: float) -> Intent | Failure:
        return self._send("post", _INTENTS, {**parameters, "idempotency_key": key}, deadline)

    def confirm(
        self, intent: str, parameters: PaymentIntentConfirmParams, *, key: str, deadline: float
    ) -> Intent | Failure:
        return self._send(
            "post", f"{_path(intent)}/confirm", {**parameters, "idempotency_key": key}, deadline
        )

    def read(self, intent: str, *, deadline: float) -> Intent | Failure:
        # A proxy's cached answer to an earlier look-up proves nothing.
        uncached = {"Cache-Control": "no-cache", "Pragma": "no-cache"}
        return self._send("get", _path(intent), {"headers": uncached}, deadline)

    def cancel(self, intent: str, *, deadline: float) -> Intent | Failure:
        # The library makes a new key for it: a stored answer would hide what has become of the intent.
        return self._send("post", f"{_path(intent)}/cancel", {}, deadline)

    def _send(
        self, method: str, path: str, parameters: Mapping[str, Any], deadline: float
    ) -> Intent | Failure:
        options: dict[str, Any] = {"api_key": self._api_key(), "max_network_retries": 0}
        if self._account is not None:
            options["stripe_account"] = self._account
        # Not `client.v1`: its objects with all their fields would take most of the processor time of a call.
        return _call(deadline, lambda: self._client.raw_request(method, path, **options, **parameters))


def _path(intent: str) -> str:
    return f"{_INTENTS}/{quote(intent, safe='')}"


def _call(deadline: float, send: Callable[[], stripe.StripeResponse]) -> Intent | Failure:
    """The intent that one request of the library brings, or why it brings none."""
    with within(deadline) as call, unlogged():
        try:
            check_library_is_silent()
            answer = send()
        except LibraryLogsError as error:
            return Failure(no_answer=(error, Phase.WAITING))
        except NoAnswerError as failed:
            cause = failed.__cause__
            return Failure(no_answer=(cause if isinstance(cause, Exception) else failed, failed.phase))
        except stripe.StripeError as error:
            if call.status is None:
                raise  # nothing was sent: the call itself is wrong
            return Failure(call.status, call.headers, _object(error.json_body))
        # The library reads an answer of an unexpected form with whatever error that gives.
        except Exception:
            if call.status is None:
                raise
            return Failure(call.status, call.headers)
    body = _object(answer.data)
    if body is None or body.get("object") != "payment_intent":
        return Failure(call.status or 0, call.headers)
    return body


def _object(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
