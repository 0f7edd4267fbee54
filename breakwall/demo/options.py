"""The options of one run: how many orders, how fast, and how long the payment service is dead."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from breakwall.pickling import Picklable

# Seconds of orders, at least: some before the outage, its beginning, and some customers during it.
LEAST_SECONDS = 4.0

LEAST_ORDERS = 40  # With fewer, a circuit that looks at its latest 20 calls has too few of them.

# Seconds, where a shop would have tens of them, so that a minute is enough. Every other setting has its
# default; the demo says so.
SHORTENED = {
    "BREAKWALL_PAYMENT_TIMEOUT": "2",
    "BREAKWALL_PAYMENT_SETTLE_SECONDS": "2",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "2",
    "BREAKWALL_BREAKER__WINDOW": "10",
    "BREAKWALL_RETRY__CAP": "3",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "5",
}

LATENCY = (0.03, 0.12)  # Seconds, least and most, that the payment service takes for a charge: a fast one.

DECLINE_RATE = 0.03  # The share of cards that the payment service declines, as on a normal day.


class DemoOptionError(Picklable, ValueError):
    """The options do not make a demo; the message says which would.

    Attributes:
        option: the wrong option.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of one run, checked when they are made.

    Attributes:
        orders: how many customers come.
        rate: how many of them a second.
        outage: for how many seconds the payment service is dead.
        seed: the same seed makes the same orders.

    Raises:
        DemoOptionError: naming the option and a value that works.
    """

    orders: int
    rate: float
    outage: float
    seed: int

    def __post_init__(self) -> None:
        least = max(LEAST_ORDERS, int(LEAST_SECONDS * self.rate))
        if self.orders < least:
            raise DemoOptionError(
                "--orders",
                f"should be at least {least} at {self.rate:g} orders a second: some before the payment "
                "service dies and some while it is dead",
            )

    @property
    def orders_before_outage(self) -> int:
        """Five seconds' worth, in a short run a quarter of all."""
        return int(min(5 * self.rate, self.orders / 4))

    @property
    def shortened_wait(self) -> float:
        """Seconds of the shortened waits."""
        return float(SHORTENED["BREAKWALL_BREAKER__RECOVERY_TIMEOUT"])

    def environment(self, inherited: Mapping[str, str], home: Path, payment_url: str) -> dict[str, str]:
        """The environment of the demo's processes, without the user's own Breakwall settings."""
        others = {name: value for name, value in inherited.items() if not name.startswith("BREAKWALL_")}
        return {
            **others,
            **SHORTENED,
            "BREAKWALL_DATA_DIR": str(home),
            "BREAKWALL_PAYMENT_URL": payment_url,
        }
