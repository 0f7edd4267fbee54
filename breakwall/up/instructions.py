"""The commands that `breakwall up` suggests for another terminal."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from breakwall.gateway_names import DEFAULT, STRIPE
from breakwall.settings import PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the payment service of `breakwall up` listens."""

    service: int
    control: int

    @property
    def service_url(self) -> str:
        return f"http://127.0.0.1:{self.service}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control}"

    @property
    def usual(self) -> bool:
        """Whether a command without any setting calls the service there."""
        return Settings().payment_url.get_secret_value() == self.service_url


# The payment method of the example, where an order needs one.
EXAMPLES = {STRIPE: " --payment-method pm_card_visa"}


def how_to_use(
    command: str,
    ports: Ports | None,
    environment: Mapping[str, str],
    *,
    gateway: str = DEFAULT,
    page: str | None = None,
) -> list[str]:
    """Lines that say how to place an order, watch the backlog, and make the payment service fail.

    ``command`` is how the user calls Breakwall, ``ports`` is None if `breakwall up` runs no payment service, and
    ``environment`` is this process's: the other terminal needs the same settings. ``gateway`` is the configured one's
    name, ``page`` the operator's page's address.
    """
    method = EXAMPLES.get(gateway, "")
    also = any(name.startswith(PREFIX) for name in environment)
    where = "in this folder" + (" and with the same BREAKWALL_ variables" if also else "")
    if ports is not None and not ports.usual:
        command = f"BREAKWALL_PAYMENT_URL={ports.service_url} {command}"
    lines = [
        f"Everything is up. The operator's page: {page}" if page else "Everything is up.",
        f"In another terminal, {where}:",
        f"  {command} orders place --user u1 --amount 10000 --currency KRW --key cart-1{method}",
        f"  {command} backlog --watch",
    ]
    if ports is not None:
        down = '{"down": true}'
        lines += [
            "To see an outage, switch the payment service off; false switches it on again:",
            f"  curl -X PATCH {ports.control_url}/faults -d '{down}'",
        ]
    return lines


def command_name(program: str, python: str) -> str:
    """What a user types to call Breakwall: ``program`` is ``sys.argv[0]``, ``python`` ``sys.executable``."""
    if Path(program).name == "__main__.py":
        return f"{python} -m breakwall"
    on_the_path = shutil.which(Path(program).name)
    if on_the_path and Path(on_the_path).resolve() == Path(program).resolve():
        return Path(program).name
    return program
