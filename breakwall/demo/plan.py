"""What one run of the demo is like: how many orders, how fast, for how long the payment service is dead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from breakwall.pickling import Picklable

LEAST_LOAD = 4.0
"""Seconds of orders at least: a good moment, the death, and some customers who come while it is dead."""

LEAST_ORDERS = 40
"""Below this a circuit that looks at its latest 20 calls has too little to see."""

SHORTENED = {
    "BREAKWALL_PAYMENT_TIMEOUT": "2",
    "BREAKWALL_PAYMENT_SETTLE_SECONDS": "2",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "2",
    "BREAKWALL_BREAKER__WINDOW": "10",
    "BREAKWALL_RETRY__CAP": "3",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "5",
}
"""Seconds where a shop would have tens of them, so that a minute is enough. Nothing else differs from the
defaults; the story says so."""

LATENCY = (0.03, 0.12)
"""Seconds that the payment service takes for a charge: a quick one of its kind."""

DECLINES = 0.03
"""The share of cards that the payment service declines, so that the numbers are those of a real day."""


class PlanError(Picklable, ValueError):
    """The numbers do not make a demo; the message says which would.

    Attributes:
        option: the option that is wrong.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Plan:
    """A run of the demo, checked when it is made.

    Attributes:
        orders: how many customers come.
        rate: how many of them a second.
        outage: for how many seconds the payment service is dead.
        seed: the same seed, the same orders.

    Raises:
        PlanError: naming the option and what would be right.
    """

    orders: int
    rate: float
    outage: float
    seed: int

    def __post_init__(self) -> None:
        least = max(LEAST_ORDERS, int(LEAST_LOAD * self.rate))
        if self.orders < least:
            raise PlanError(
                "--orders",
                f"should be at least {least} at {self.rate:g} orders a second: some before the payment "
                "service dies and some while it is dead",
            )

    @property
    def good_orders(self) -> int:
        """How many orders come before anything goes wrong: five seconds' worth, a quarter of a short run."""
        return int(min(5 * self.rate, self.orders / 4))

    @property
    def wait(self) -> float:
        """The shortened waits, in seconds."""
        return float(SHORTENED["BREAKWALL_BREAKER__RECOVERY_TIMEOUT"])

    def environment(self, inherited: Mapping[str, str], home: Path, payment_url: str) -> dict[str, str]:
        """The environment of the demo's processes: none of the user's own Breakwall settings are in it."""
        others = {name: value for name, value in inherited.items() if not name.startswith("BREAKWALL_")}
        return {
            **others,
            **SHORTENED,
            "BREAKWALL_DATA_DIR": str(home),
            "BREAKWALL_PAYMENT_URL": payment_url,
        }
