"""``python bench/stripe_call.py``: the processor time of a request to Stripe beside one of the HTTP gateway.

Both talk to a program that answers at once: our side alone is measured. A charge at Stripe takes two requests.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from breakwall.payments.gateways.base import ChargeRequest, GatewayProfile, Outcome
from breakwall.payments.gateways.http import HttpGateway, HttpService
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from tests.integration.gateway_stub import StubServer, answering, response

CALLS, ROUNDS = 1000, 5
ORDER = ChargeRequest("0" * 32, "u-1", 1000, "USD", "k" * 32, "cart-1", "pm_1")
PROFILE = GatewayProfile(True, 86_400.0, looks_up=False, absent_after=30.0, prepares=True, cancels=True)

PAID = {"status": "succeeded", "charge_id": "ch_1"}
INTENT = {  # About as long as a real one.
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 1000,
    "amount_received": 1000,
    "currency": "usd",
    "latest_charge": "ch_1",
    "metadata": {"breakwall_order_id": ORDER.order_id},
    **{f"field_{number}": "a text of the answer" for number in range(60)},
}


def main() -> None:
    servers = [_serve(answer) for answer in (PAID, INTENT)]
    http = HttpGateway(servers[0][1], profile=replace(PROFILE, looks_up=True, prepares=False, cancels=False))
    stripe = StripeGateway(HttpService(servers[1][1]), api_key=lambda: "sk_test_1", profile=PROFILE)
    confirmed = replace(ORDER, prepared="pi_1")
    assert stripe.charge(confirmed, deadline=_soon()).outcome is Outcome.SUCCEEDED
    plain = _measure(lambda: http.charge(ORDER, deadline=_soon()))
    print(f"HTTP gateway, charge  {plain:5.0f} µs")
    for name, call in (
        ("Stripe, create", lambda: stripe.prepare(ORDER, deadline=_soon())),
        ("Stripe, confirm", lambda: stripe.charge(confirmed, deadline=_soon())),
    ):
        took = _measure(call)
        print(f"{name:21} {took:5.0f} µs, {took / plain:.1f} times as much")
    for process, _ in servers:
        process.kill()
        process.wait()


def _measure(call: Callable[[], object]) -> float:
    """Microseconds of this process for one call."""

    def once() -> float:
        started = time.process_time()
        for _ in range(CALLS):
            call()
        return (time.process_time() - started) / CALLS * 1e6

    return median(once() for _ in range(ROUNDS))


def _serve(answer: object) -> tuple[subprocess.Popen[str], str]:
    """A process that gives this answer to every request, and its URL."""
    command = [sys.executable, __file__, json.dumps(answer)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def _soon() -> float:
    return time.monotonic() + 5


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(StubServer(answering(response(200, sys.argv[1].encode()))).url, flush=True)
        time.sleep(3600)
    main()
