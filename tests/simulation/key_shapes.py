"""The keys that callers choose: of every shape, and some that a careless service takes for the same."""

import base64
import hashlib
from collections.abc import Callable
from random import Random

from breakwall.payments.orders import InvalidOrderError, Order

SHAPES: dict[str, Callable[[Random, int], str]] = {
    "plain": lambda rng, number: f"cart-{number}",
    "slash": lambda rng, number: f"shop/{number}",
    "dot": lambda rng, number: f"cart.{number}",
    "format": lambda rng, number: f"cart-{number}.json",
    "trailing dot": lambda rng, number: f"cart-{number}.",
    "capitals": lambda rng, number: f"Cart-{number}-{rng.choice('ABC')}",
    "40 characters": lambda rng, number: hashlib.sha1(rng.randbytes(8)).hexdigest(),
    "digits": lambda rng, number: str(rng.randint(10, 99_999)),
    "base64": lambda rng, number: base64.b64encode(rng.randbytes(10)).decode(),
    "same beginning": lambda rng, number: f"2026-11-27-{number}",
    "percent": lambda rng, number: f"50%2F-{number}",
    "unicode": lambda rng, number: f"заказ-№{number}",
}

RELATIVES: tuple[Callable[[str], str], ...] = (
    str.swapcase,
    lambda key: f"{key}.2",
    lambda key: f"{key}.",
    lambda key: f"{key}/2",
    lambda key: f"{key:-<20}2",
    lambda key: f"0{key}",
)
"""Each makes a key that some services take for the same."""


def random_keys(rng: Random, number: int) -> tuple[str, ...]:
    """So many keys, all different, of one shape or two: a shop has one way to make them."""
    shapes = [SHAPES[rng.choice(list(SHAPES))] for _ in range(rng.choice((1, 1, 2)))]
    keys: list[str] = []
    while len(keys) < number:
        key = rng.choice(shapes)(rng, len(keys) + 1)
        if keys and rng.random() < 0.4:
            key = rng.choice(RELATIVES)(rng.choice(keys))
        key = key if _is_accepted(key) else f"cart-{len(keys) + 1}"
        if key not in keys:
            keys.append(key)
    return tuple(keys)


def _is_accepted(key: str) -> bool:
    try:
        Order("user", 1, "KRW", key)
    except InvalidOrderError:
        return False
    return True
