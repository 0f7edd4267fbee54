"""Chance that can be repeated: what befalls a request depends on the seed, its key and its number.

Not on the order in which threads happen to run, so the same seed and the same requests meet the same
fate, whatever else goes on beside them.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from breakwall.simulator.faults import Faults


@dataclass(frozen=True, slots=True)
class Fate:
    """One number from 0 to 1 for each thing that may happen to a request."""

    latency: float
    error: float
    hang: float
    decline: float
    charge_then_fail: float
    garbage: float
    drip: float

    def seconds(self, faults: Faults) -> float:
        """How long this request takes."""
        if isinstance(faults.latency, float | int):
            return faults.latency
        shortest, longest = faults.latency
        return shortest + (longest - shortest) * self.latency


def fate(seed: int, key: str, number: int) -> Fate:
    """What befalls the ``number``-th request that names ``key``."""
    dice = random.Random(f"{seed}:{number}:{key}")  # noqa: S311 - a repeatable experiment, not a secret
    # All are thrown each time, so that switching one fault on does not move the others.
    return Fate(*(dice.random() for _ in Fate.__slots__))


def charge_id(seed: int, key: str, number: int) -> str:
    """The id of the ``number``-th charge made under ``key``: the same again under the same seed."""
    return "ch_" + hashlib.sha256(f"{seed}:{number}:{key}".encode(errors="surrogatepass")).hexdigest()[:24]
