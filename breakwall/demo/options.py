"""The options of one run, and the settings of its processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LEAST_SECONDS = 4.0  # Of orders: some come before the outage, some at its beginning, and some during it.
LEAST_ORDERS = 40  # With fewer, there are too few calls for a circuit that judges the latest 20.

# Seconds; a shop would have tens of them. Every other setting has its default, and the demo says so.
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


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of one run. Raises `ValueError` with the least number of orders if there are fewer."""

    orders: int  # How many customers come.
    rate: float  # How many of them a second.
    outage: float  # Seconds for which the payment service is dead.
    seed: int  # The same seed makes the same orders.

    def __post_init__(self) -> None:
        least = max(LEAST_ORDERS, int(LEAST_SECONDS * self.rate))
        if self.orders < least:
            raise ValueError(
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
        own = {"BREAKWALL_DATA_DIR": str(home), "BREAKWALL_PAYMENT_URL": payment_url}
        return {**others, **SHORTENED, **own}
