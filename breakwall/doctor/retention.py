"""Checks how long orders and their keys are kept."""

from math import ceil

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.settings import DAY, Settings

NAME = "retention"
MOST_DAYS = 36_500  # The setting's maximum.


def retention(settings: Settings) -> list[Finding]:
    """Where orders are pruned: whether we keep their keys for as long as the payment service."""
    chosen = settings.retention
    if chosen.days is None:
        return [fine(NAME, "off: all orders stay")]
    kept = f"orders stay for {chosen.days} days after their end, their keys for {chosen.keys_days}"
    remembered = ceil(min(settings.payment_key_life / DAY, MOST_DAYS))
    if remembered <= chosen.keys_days:
        return [fine(NAME, kept)]
    detail = (
        f"{kept}; the payment service remembers keys for {remembered} (BREAKWALL_PAYMENT_KEY_LIFE), so an old "
        "charge can pay a new order under a key that we have forgotten"
    )
    return [problem(NAME, detail, f"Set BREAKWALL_RETENTION__KEYS_DAYS={remembered} at least.")]
