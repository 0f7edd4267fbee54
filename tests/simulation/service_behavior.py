"""Which payment service a run has: what its profile guarantees, and how it behaves otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from breakwall.payments.gateways import GatewayProfile
from tests.simulation.mangling import FAITHFUL, MANGLINGS, Mangling
from tests.simulation.wire import ServiceReply

WEB_PAGE = ServiceReply(404, b"<html>", {"content-type": "text/html"})
NO_ROUTE = ServiceReply(404, b'{"detail": "Not Found"}', {"content-type": "application/json"})

DAY = 86_400.0


@dataclass(frozen=True)
class ServiceBehavior:
    """How a payment service behaves: what its profile guarantees, and all else."""

    name: str
    profile: GatewayProfile
    stores_errors: bool  # A 5xx is an answer like any other: the key replays it (Stripe).
    says_that_it_replays: bool  # A stored error of a preparation comes with a header that says so (Stripe).
    shows_processing: bool  # A look-up finds a charge that is under way; else it finds none yet.
    shows_declines: bool  # A look-up finds declined charges.
    look_up_works: bool  # Whether there is anything behind the address of the look-up.
    no_look_up: ServiceReply  # The answer there if there is nothing.
    mangling: Mangling
    confuses: bool  # Whether it takes one of the callers' keys that are sent for another of them.
    compares: (
        bool  # It refuses a key that it knows from another payload (422); else that payload's answer comes.
    )
    says_done: bool  # 400 to a key that was charged, and no replay (Toss Payments).
    names: tuple[str, ...]  # The fields of the order that its answers name.

    @property
    def remembers(self) -> bool:
        """Whether a key never charges again, as long as a run lasts."""
        return self.profile.deduplicates and self.profile.key_life >= DAY


def random_behavior(rng: Random, keys: Sequence[str], travelling: Sequence[str]) -> ServiceBehavior:
    """Every kind of payment service that a profile can describe, and one without the look-up that its profile claims.

    Args:
        keys: the callers' own.
        travelling: the callers' keys that are sent as they are. A service that takes one of them for another names
            the order or the amount, which differs for each order: without either the product could not notice.
    """
    absent_after = rng.choice((0.0, 5.0, 30.0))
    name, deduplicates, key_life, looks_up, prepares, cancels = rng.choice(
        (
            ("keys and look-up", True, DAY, True, False, False),
            ("keys for a while and look-up", True, rng.uniform(40.0, 150.0), True, False, False),
            ("keys only", True, DAY, False, False, False),
            ("keys for a while only", True, rng.uniform(40.0, 150.0), False, False, False),
            ("look-up only", False, 0.0, True, False, False),
            ("look-up only", False, 0.0, True, False, False),
            ("neither", False, 0.0, False, False, False),
            ("prepares", False, 0.0, False, True, False),
            ("prepares, with keys", True, DAY, False, True, False),
            ("prepares and cancels", True, rng.choice((60.0, DAY)), False, True, True),
            ("cancels", False, 0.0, False, False, True),
            ("cancels, with look-up", False, 0.0, True, False, True),
        )
    )
    # To cancel a key that the service takes for another one would cancel another order's charge.
    mangling = FAITHFUL if prepares or cancels else _random_mangling(rng, keys)
    confuses = mangling.confuses(travelling)
    stores = rng.random() if deduplicates else 1.0
    telling = [("order_id",), ("amount", "currency"), ("order_id", "amount", "currency")]
    return ServiceBehavior(
        name=name,
        profile=GatewayProfile(deduplicates, key_life, looks_up, absent_after, prepares, cancels),
        stores_errors=deduplicates and stores < 0.5,
        says_that_it_replays=stores < 0.25,
        shows_processing=rng.random() < 0.5,
        shows_declines=rng.random() < 0.5,
        look_up_works=looks_up and rng.random() < 0.9,
        no_look_up=rng.choice((WEB_PAGE, NO_ROUTE)),
        mangling=mangling,
        confuses=confuses,
        compares=rng.random() < 0.5,
        says_done=deduplicates and not prepares and rng.random() < 0.25,
        names=rng.choice(telling if confuses else [*telling, (), (), ()]),
    )


def _random_mangling(rng: Random, keys: Sequence[str]) -> Mangling:
    """Any; more often one that changes one of these keys."""
    if rng.random() < 0.4:
        return FAITHFUL
    chosen = MANGLINGS
    if rng.random() < 0.5:
        chosen = [one for one in MANGLINGS if one.denies(keys) or one.confuses(keys)]
    return rng.choice(chosen or MANGLINGS)
