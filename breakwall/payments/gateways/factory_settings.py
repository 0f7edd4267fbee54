"""What the factory of a plugged-in gateway gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from breakwall.payments.gateways.base import GatewayProfile

if TYPE_CHECKING:
    import ssl

Value = TypeVar("Value")

# What the settings say by default: the careful one.
DEFAULT_PROFILE = GatewayProfile(deduplicates=False, key_life=86_400.0, looks_up=True, absent_after=30.0)


class GatewayConfigError(ValueError):
    """The settings of a gateway are unusable. Its factory raises it; the text is shown, so it must hold no secret.

    Of any other exception of a factory only the class is shown.
    """


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """The settings of one gateway. Its ``repr`` shows no secret.

    Credentials are callables: call them for each request, or for each new connection, because their files may change.

    Attributes:
        name: the gateway's name; orders remember it.
        url: ``PAYMENT_URL``, None if it is not set. It may hold a password.
        timeout: seconds that one call may take in total. Each call has its own deadline, which is decisive.
        max_connections: threads that may call at once.
        max_retry_after: seconds; ignore a longer wish of the service to wait.
        profile: what ``PAYMENT_DEDUPLICATES``, ``PAYMENT_KEY_LIFE`` and ``PAYMENT_SETTLE_SECONDS`` say, by default too.
            For a gateway whose service keeps different promises to different customers.
        token: gives ``PAYMENT_TOKEN`` or what is in its file; None without one.
        headers: gives ``PAYMENT_HEADERS``.
        tls: makes a context of ``PAYMENT_CA_FILE``, ``PAYMENT_CERT_FILE`` and ``PAYMENT_KEY_FILE``; None without them.
        proxy: gives ``PAYMENT_PROXY``; None without one.
        options: ``PAYMENT_OPTIONS``, a JSON object: what only this gateway knows. Secret.
    """

    name: str
    url: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    max_connections: int = 100
    max_retry_after: float = 600.0
    profile: GatewayProfile = DEFAULT_PROFILE
    token: Callable[[], str] | None = field(default=None, repr=False)
    headers: Callable[[], Mapping[str, str]] = field(default=dict, repr=False)
    tls: Callable[[], ssl.SSLContext | None] = field(default=lambda: None, repr=False)
    proxy: Callable[[], str | None] = field(default=lambda: None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def option(self, name: str, kind: type[Value], default: Value | None = None) -> Value:
        """An own setting of the gateway. `GatewayConfigError` if it is missing, or is not of this type."""
        value = self.options.get(name, default)
        if value is None:
            raise GatewayConfigError(f"BREAKWALL_PAYMENT_OPTIONS should have {name!r}")
        # JSON has one kind of number; `true` is none.
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise GatewayConfigError(
                f"BREAKWALL_PAYMENT_OPTIONS: {name!r} should be a {_KINDS.get(kind, kind)}"
            )
        return value


_KINDS: dict[type, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "truth value",
    list: "list",
    dict: "JSON object",
}
