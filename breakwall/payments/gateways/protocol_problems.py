"""What an object lacks that should be a `Gateway`. Checked once, when it is made."""

from typing import Any

from breakwall.payments.gateways.base import CancellingGateway, GatewayProfile, PreparingGateway

_METHODS = ("charge", "look_up", "close")
_PROMISED: dict[str, tuple[type, tuple[str, ...]]] = {
    "prepares": (PreparingGateway, ("prepare", "look_up_prepared")),
    "cancels": (CancellingGateway, ("cancel",)),
}


class UnusableGatewayError(ValueError):
    """An object is no `Gateway`, or its profile promises what it cannot do. The text is a clause that says what."""


def check_protocol(gateway: object) -> None:
    """Raise `UnusableGatewayError` unless the object is a `Gateway` with the methods that its profile promises."""
    kind = type(gateway).__name__
    if missing := _missing(gateway, _METHODS):
        raise UnusableGatewayError(f"made no Gateway: its {kind} has no {missing}")
    profile: Any = getattr(gateway, "profile", None)
    if problem := profile_problem(profile):
        raise UnusableGatewayError(f"made no Gateway: the profile of its {kind} {problem}")
    for promise, (protocol, methods) in _PROMISED.items():
        if getattr(profile, promise) and (missing := _missing(gateway, methods)):
            raise UnusableGatewayError(
                f"made a {kind} whose profile says that it {promise}, and that has no {missing}: it should be a "
                f"{protocol.__name__}"
            )


def profile_problem(profile: object) -> str | None:
    """What is wrong with a profile, as a clause; None if nothing is."""
    if type(profile) is not GatewayProfile:
        return "is no GatewayProfile"
    for name in ("deduplicates", "looks_up", *_PROMISED):
        if type(getattr(profile, name)) is not bool:
            return f"has a {name} that is neither True nor False"
    for name in ("key_life", "absent_after"):
        seconds = getattr(profile, name)
        # No comparison with NaN is true.
        if type(seconds) not in {int, float} or not 0 <= seconds < float("inf"):
            return f"has a {name} that is no number of seconds, from 0"
    return None


def _missing(gateway: object, methods: tuple[str, ...]) -> str:
    return " and no ".join(name for name in methods if not callable(getattr(gateway, name, None)))
