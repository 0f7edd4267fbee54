"""How a gateway is named, and what is named after it: its circuit (and the limit in it), its queue."""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

DEFAULT = "http"
STRIPE = "stripe"
SHIPPED = (DEFAULT, STRIPE)  # Breakwall's own gateways.
MAX_NAME = 64  # Characters; the column `orders.gateway`.
_DIGEST = 12  # Hexadecimal digits: enough for two paths of one shop.

_NAME = re.compile(f"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}")
_PATH = re.compile(rf"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z]\w{{0,{MAX_NAME - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GatewayNames:
    """The names of one gateway's parts."""

    circuit: str  # In the breaker's store.
    queue: str  # At the broker.

    @property
    def dead_letters(self) -> str:
        """RabbitMQ's queue of messages that were delivered many times and never acknowledged."""
        return f"{self.queue}.dead"

    @classmethod
    def beside(cls, gateway: str) -> Self:
        """The names of a gateway that works beside the configured one."""
        return cls(f"{CONFIGURED.circuit}.{gateway}", f"{CONFIGURED.queue}.{gateway}")


# Those of the one configured gateway, whatever its own name is: other programs rely on them.
CONFIGURED = GatewayNames("payment", "payments.retry")


def check_gateway(text: str) -> str:
    """Check a gateway's name, or the path to a factory; returned unchanged. `ValueError` says what would be right."""
    if not (_PATH if is_path(text) else _NAME).fullmatch(text):
        raise ValueError(
            "should be http, stripe, the name of an installed gateway, or package.module:factory; a name has 1 to "
            f"{MAX_NAME} letters, digits, dots, dashes or underscores"
        )
    return text


def is_path(gateway: str) -> bool:
    """Whether it names code, as ``package.module:factory``, and not an installed gateway."""
    return ":" in gateway


def gateway_name(gateway: str) -> str:
    """The name under which orders remember a gateway: of a path, the whole path, because another may end alike.

    Of a path that is too long for a name, its end and a digest of it all. No installed gateway has such a name.
    """
    if len(gateway) <= MAX_NAME:
        return gateway
    digest = hashlib.sha256(gateway.encode()).hexdigest()[:_DIGEST]
    return f"{gateway[_DIGEST + 1 - MAX_NAME :]}:{digest}"
