"""Repeatable randomness: a request's samples depend on the seed, its key and its number.

They do not depend on the order of threads: the same seed and requests meet the same faults, whatever else runs.
"""

import hashlib
import random
from dataclasses import dataclass

from breakwall.simulator.faults import Faults


@dataclass(frozen=True, slots=True)
class Samples:
    """One random number from 0 to 1 for each fault of a request."""

    latency: float
    error: float
    hang: float
    decline: float
    charge_then_fail: float
    garbage: float
    drip: float

    def seconds(self, faults: Faults) -> float:
        if isinstance(faults.latency, float | int):
            return faults.latency
        shortest, longest = faults.latency
        return shortest + (longest - shortest) * self.latency


def samples_for(seed: int, key: str, number: int) -> Samples:
    """The samples of the ``number``-th request that names ``key``."""
    generator = random.Random(f"{seed}:{number}:{key}")  # noqa: S311 - a repeatable experiment, not a secret
    # Always all of them: switching one fault on must not change the others.
    return Samples(*(generator.random() for _ in Samples.__slots__))


def charge_id(seed: int, key: str, number: int) -> str:
    """The id of the ``number``-th charge under ``key``; the same seed gives the same id."""
    return "ch_" + hashlib.sha256(f"{seed}:{number}:{key}".encode(errors="surrogatepass")).hexdigest()[:24]
