"""Stripe's PaymentIntents, through Stripe's own library. Each call sends one request, and raises no network error."""

from collections.abc import Callable, Mapping
from typing import Any

import stripe
from stripe.params import PaymentIntentConfirmParams, PaymentIntentCreateParams

from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.stripe.errors import Failure, LibraryLogsError
from breakwall.payments.gateways.stripe.http_client import DeadlineClient, NoAnswerError, within
from breakwall.payments.gateways.stripe.intents import Intent
from breakwall.payments.gateways.stripe.library_logs import check_library_is_silent, unlogged
from breakwall.payments.gateways.transport.errors import Phase

API_VERSION = "2026-10-28.endive"  # Pinned: a newer library must not change what is sent and answered.


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
        client = stripe.StripeClient(
            "", http_client=DeadlineClient(service), max_network_retries=0, stripe_version=API_VERSION
        )
        self._intents = client.v1.payment_intents

    def create(self, parameters: PaymentIntentCreateParams, *, key: str, deadline: float) -> Intent | Failure:
        options = self._options(idempotency_key=key)
        return _call(deadline, lambda: self._intents.create(parameters, options))

    def confirm(
        self, intent: str, parameters: PaymentIntentConfirmParams, *, key: str, deadline: float
    ) -> Intent | Failure:
        options = self._options(idempotency_key=key)
        return _call(deadline, lambda: self._intents.confirm(intent, parameters, options))

    def read(self, intent: str, *, deadline: float) -> Intent | Failure:
        # A proxy's cached answer to an earlier look-up proves nothing.
        options = self._options(headers={"Cache-Control": "no-cache", "Pragma": "no-cache"})
        return _call(deadline, lambda: self._intents.retrieve(intent, {}, options))

    def cancel(self, intent: str, *, deadline: float) -> Intent | Failure:
        # The library makes a new key for it: a stored answer would hide what has become of the intent.
        return _call(deadline, lambda: self._intents.cancel(intent, {}, self._options()))

    def _options(self, **more: Any) -> stripe.RequestOptions:
        options: stripe.RequestOptions = {"api_key": self._api_key(), "max_network_retries": 0}
        if self._account is not None:
            options["stripe_account"] = self._account
        return {**options, **more}  # type: ignore[typeddict-item] # the callers name its fields


def _call(deadline: float, send: Callable[[], stripe.PaymentIntent]) -> Intent | Failure:
    """The intent that one request of the library brings, or why it brings none."""
    with within(deadline) as exchange, unlogged():
        try:
            check_library_is_silent()
            answer = send().last_response
        except LibraryLogsError as error:
            return Failure(no_answer=(error, Phase.WAITING))
        except NoAnswerError as failed:
            return Failure(no_answer=(failed.error, failed.phase))
        except stripe.StripeError as error:
            if exchange.status is None:
                raise  # nothing was sent: the call itself is wrong
            return Failure(exchange.status, exchange.headers, _object(error.json_body))
        # The library reads an answer of an unexpected form with whatever error that gives.
        except Exception:
            if exchange.status is None:
                raise
            return Failure(exchange.status, exchange.headers)
    body = None if answer is None else _object(answer.data)
    if body is None or body.get("object") != "payment_intent":
        return Failure(exchange.status or 0, exchange.headers)
    return body


def _object(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
