"""What the author of a gateway fills in, and what all tests of the suite share."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import pytest

from breakwall.payments.gateways.base import (
    ChargeAnswer,
    ChargeRequest,
    Gateway,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.gateways.fault_proxy import FaultProxy

Result = TypeVar("Result")

HUNG = 15.0  # Seconds past its deadline after which a call counts as hanging.

PAYMENT_METHOD = "pm_contract_5ecret"
DESCRIPTION = "주문 №17 – Grüße, ☕ & <b>cake</b>"
METADATA = {"cart": "cart-17", "note": "naïve “quotes” \\ and ₩"}


class GatewaySubject:
    """Override `sandbox` and `make_gateway`, and the rest where your service needs it.

    Attributes:
        timeout: seconds in which the sandbox answers.
        fault_timeout: seconds that the tests of faults give a call.
        margin: seconds past its deadline that a call may take on a busy machine.
        lookup_delay: seconds after which the sandbox's look-up finds a charge.
        amounts: amounts in minor units and their currencies, which the sandbox charges.
        secrets: texts that only the gateway and its service may know, such as the key that `make_gateway` uses.
    """

    timeout: ClassVar[float] = 10.0
    fault_timeout: ClassVar[float] = 1.0
    margin: ClassVar[float] = 2.0
    lookup_delay: ClassVar[float] = 0.0
    amounts: ClassVar[tuple[tuple[int, str], ...]] = ((1, "KRW"), (10_000, "KRW"), (1_999, "USD"))
    secrets: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def sandbox(self) -> str:
        """The URL of a sandbox of the service, for example of a program that a fixture of yours starts."""
        raise NotImplementedError("override the fixture sandbox: the URL of a sandbox of your service")

    def make_gateway(self, url: str) -> Gateway:
        """Make the gateway as your factory does, for a service at this URL: plain HTTP, on the loopback."""
        raise NotImplementedError("override make_gateway")

    def charge_request(self, **changes: Any) -> ChargeRequest:
        """A request that the sandbox charges, with a new key. Override it for the sandbox's test card."""
        key = new_key()
        request = ChargeRequest(
            f"order-{key[:10]}", "user-1", 10_000, "KRW", key, reference=f"cart-{key[:6]}"
        )
        return replace(request, **changes)

    def declined_request(self) -> ChargeRequest | None:
        """A request that the sandbox declines; None if it declines none."""
        return None

    def charges_made(self, request: ChargeRequest) -> int | None:
        """How many charges the sandbox has made for this request, by its own account; None if it cannot tell."""
        return None

    @pytest.fixture
    def proxy(self, sandbox: str) -> Iterator[FaultProxy]:
        with FaultProxy(sandbox) as proxy:
            yield proxy

    @pytest.fixture
    def gateway(self, proxy: FaultProxy) -> Iterator[Any]:
        gateway = self.make_gateway(proxy.url)
        yield gateway
        gateway.close()

    def soon(self) -> float:
        """A deadline that a healthy sandbox keeps."""
        return time.monotonic() + self.timeout

    def charge(self, gateway: Any, request: ChargeRequest) -> ChargeAnswer:
        """Charge as Breakwall does: prepared first, if the profile says so."""
        ready = self.prepared(gateway, request)
        if isinstance(ready, ChargeAnswer):
            return ready
        answer: ChargeAnswer = gateway.charge(ready, deadline=self.soon())
        promise(isinstance(answer, ChargeAnswer), "charge returns a ChargeAnswer", answer)
        return answer

    def prepared(self, gateway: Any, request: ChargeRequest) -> ChargeRequest | ChargeAnswer:
        """The request that `charge` gets. An answer instead if it cannot be prepared."""
        if not gateway.profile.prepares:
            return request
        made = gateway.prepare(request, deadline=self.soon())
        if isinstance(made, Prepared):
            return replace(request, prepared=made.id)
        promise(isinstance(made, ChargeAnswer), "prepare returns a Prepared or a ChargeAnswer", made)
        answer: ChargeAnswer = made
        return answer

    def ready(self, gateway: Any, request: ChargeRequest | None = None) -> ChargeRequest:
        """A request that only has to be charged."""
        ready = self.prepared(gateway, request or self.charge_request())
        if isinstance(ready, ChargeAnswer):
            pytest.fail(
                f"broken promise: a healthy service prepares a charge\nseen: {ready!r}", pytrace=False
            )
        return ready

    def paid(self, gateway: Any, request: ChargeRequest) -> ChargeAnswer:
        answer = self.charge(gateway, request)
        promise(
            answer.outcome is Outcome.SUCCEEDED and bool(answer.charge_id),
            "a charge that the service makes is SUCCEEDED, with the service's id of it",
            answer,
        )
        return answer

    def look_up(self, gateway: Any, request: ChargeRequest, *wanted: LookupResult) -> LookupAnswer:
        """Look up until a wanted result comes, for as long as the sandbox needs to settle."""
        end = time.monotonic() + self.lookup_delay
        while True:
            if request.prepared is None:
                answer = gateway.look_up(request.idempotency_key, deadline=self.soon())
            else:
                answer = gateway.look_up_prepared(request.prepared, deadline=self.soon())
            promise(isinstance(answer, LookupAnswer), "a look-up returns a LookupAnswer", answer)
            if answer.result in wanted or time.monotonic() >= end:
                found: LookupAnswer = answer
                return found
            time.sleep(0.2)

    def in_time(self, call: Callable[[float], Result], what: str) -> Result:
        """The result of ``call(deadline)``, which must keep the deadline and raise nothing."""
        results: list[Result] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                results.append(call(start + self.fault_timeout))
            except BaseException as error:  # noqa: BLE001, RUF100 - whatever it raises breaks the promise
                raised.append(error)

        start = time.monotonic()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.fault_timeout + HUNG)
        took = time.monotonic() - start
        promise(
            not thread.is_alive(),
            f"{what} returns before its deadline, whatever the service does",
            "it hangs",
        )
        promise(not raised, f"{what} raises nothing because of what the service does", raised)
        promise(
            took <= self.fault_timeout + self.margin, f"{what} returns before its deadline", f"{took:.2f} s"
        )
        return results[0]


def promise(kept: object, text: str, seen: object) -> None:
    """Fail with the promise of the protocol that is broken, and with what was seen."""
    __tracebackhide__ = True
    if not kept:
        pytest.fail(f"broken promise: {text}\nseen: {seen!r}", pytrace=False)


def new_key() -> str:
    """A key in the form of those that Breakwall derives: 32 characters of a–z and 2–7."""
    return base64.b32encode(os.urandom(20)).decode().lower()
