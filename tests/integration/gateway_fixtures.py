"""What the integration tests of the HTTP gateway share."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, GatewayProfile
from breakwall.payments.gateways.http import HttpGateway
from tests.integration.gateway_stub import Script, StubServer
from tests.stopwatch import Stopwatch

PROFILE = GatewayProfile(deduplicates=False, key_life=86_400, looks_up=True, absent_after=30)
ORDER = ChargeRequest("o-1", "u-1", 10_000, "KRW", "cart-17")

MARGIN = 1.0  # Seconds past the deadline for a busy machine. What hangs or drips here takes far longer.

Result = TypeVar("Result")
Serve = Callable[[Script], StubServer]


def charge(gateway: HttpGateway, seconds: float = 30.0, order: ChargeRequest = ORDER) -> ChargeAnswer:
    return gateway.charge(order, deadline=time.monotonic() + seconds)


def within(seconds: float, call: Callable[[float], Result]) -> Result:
    """The result of ``call(deadline)``; fails if it came later than the deadline."""
    watch = Stopwatch()
    result = call(time.monotonic() + seconds)
    elapsed = watch.seconds
    assert elapsed <= seconds + MARGIN, f"took {elapsed:.3f} s of {seconds} s"
    return result


@contextmanager
def gateway_to(url: str, **options: object) -> Iterator[HttpGateway]:
    gateway = HttpGateway(url, profile=PROFILE, **options)  # type: ignore[arg-type] # each test gives its own
    try:
        yield gateway
    finally:
        gateway.close()
