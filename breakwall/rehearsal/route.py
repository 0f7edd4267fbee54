"""Makes the configured gateway, with a proxy of ours on the way of its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from breakwall.errors import BreakwallError
from breakwall.payments.gateways import (
    AccessCheckingGateway,
    Advice,
    Gateway,
    Health,
    LookupAnswer,
    PreparingGateway,
    gateway_from_settings,
)
from breakwall.payments.gateways.fault_proxy import FaultProxy
from breakwall.settings import Settings

NOTHING = "breakwall-rehearsal"  # The id of a charge that no service has.


class SandboxUnusableError(BreakwallError):
    """The sandbox cannot be asked; nothing was charged."""

    kind = "sandbox"


@dataclass(frozen=True, slots=True)
class ProxiedGateway:
    """A gateway, and the proxy on its way.

    Attributes:
        proxy: None if the gateway's calls go another way.
    """

    gateway: Gateway
    proxy: FaultProxy | None = None


@contextmanager
def open_route(settings: Settings, key: str) -> Iterator[ProxiedGateway]:
    """Make the gateway; ``key`` is one that the service does not know. Charges nothing.

    The proxy is the gateway's ``PAYMENT_PROXY``; one that is configured comes behind it. A gateway that does not use
    that setting may use ``PAYMENT_URL``. Raises `SandboxUnusableError`, and what `gateway_from_settings` raises.
    """
    with closing(gateway_from_settings(settings)) as direct:
        expected = _ask(direct, key, settings.payment_timeout)
        _check(expected)
        for changed, proxy in _ways(settings):
            with proxy, closing(gateway_from_settings(changed)) as gateway:
                found = _ask(gateway, key, settings.payment_timeout)
                if not found or (proxy.received > 0 and _alike(found, expected)):
                    yield ProxiedGateway(gateway, proxy)
                    return
        yield ProxiedGateway(direct)


def _alike(found: list[LookupAnswer], expected: list[LookupAnswer]) -> bool:
    """Whether the service answers through our proxy as it does without."""
    return [(one.result, one.code) for one in found] == [(one.result, one.code) for one in expected]


def _check(answers: list[LookupAnswer]) -> None:
    """Stop before anything is charged, if the service does not answer or does not know us."""
    for answer in answers:
        refused = answer.advice is Advice.RECONFIGURE and answer.code != "http_404"
        if answer.health is Health.FAILURE or refused:
            detail = answer.detail.rstrip(".") or f"the look-up failed ({answer.code})"
            raise SandboxUnusableError(f"{detail}. Nothing was charged. `breakwall doctor` says what to do")


def _ways(settings: Settings) -> Iterator[tuple[Settings, FaultProxy]]:
    """The settings with a proxy of ours on the way."""
    url = urlsplit(settings.payment_url.get_secret_value())
    is_set = "payment_url" in settings.model_fields_set
    proxy = FaultProxy(next_proxy=settings.payment_proxy_url)
    yield _changed(settings, payment_proxy=SecretStr(proxy.url), payment_proxy_file=None), proxy
    needs_own_tls = settings.payment_ca_file or settings.payment_cert_file
    if is_set and not needs_own_tls:
        proxy = FaultProxy(url.geturl())
        user = url.netloc.rpartition("@")[0]
        ours = proxy.url.replace("://", f"://{user}@", 1) if user else proxy.url
        yield _changed(settings, payment_url=SecretStr(ours)), proxy


def _changed(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def _ask(gateway: Gateway, key: str, timeout: float) -> list[LookupAnswer]:
    """The answer to a call that charges nothing; none if the gateway has no such call."""
    deadline = time.monotonic() + timeout
    if isinstance(gateway, AccessCheckingGateway):
        answer: LookupAnswer | None = gateway.check_access(deadline=deadline)
        if answer is not None:  # one that is not ours may have no such method
            return [answer]
    if gateway.profile.looks_up:
        return [gateway.look_up(key, deadline=deadline)]
    if isinstance(gateway, PreparingGateway):
        return [gateway.look_up_prepared(NOTHING, deadline=deadline)]
    return []
