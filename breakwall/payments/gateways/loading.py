"""Finds the factory that ``PAYMENT_GATEWAY`` names, and makes the gateway.

Whatever is wrong with either is a `SettingsError`: one sentence that names the variable and shows no secret. A factory
comes from an installed package, or from a module on Python's path; the working folder is not put on that path.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

from breakwall.gateway_names import SHIPPED, is_path
from breakwall.payments.gateways.base import Gateway, GatewayProfile
from breakwall.payments.gateways.factory_settings import GatewayConfigError, GatewaySettings
from breakwall.payments.gateways.foreign import ForeignGateway, guarded
from breakwall.payments.gateways.protocol_problems import UnusableGatewayError, profile_problem
from breakwall.settings import PREFIX, Settings, SettingsError

NEEDS_EXTRA = "the gateway stripe needs its extra: pip install 'breakwall[stripe]'"
GROUP = "breakwall.gateways"
VARIABLE = f"{PREFIX}PAYMENT_GATEWAY"

STRIPE = "breakwall.payments.gateways.stripe"  # It takes all settings.

Factory = Callable[[GatewaySettings], Gateway]
Trusted = Callable[[GatewayProfile], GatewayProfile]


def make_gateway(gateway: str, settings: GatewaySettings, trusted: Trusted) -> ForeignGateway:
    """Make the gateway that ``gateway`` names, held to the protocol; ``trusted`` is as in `guarded`.

    Raises `SettingsError`.
    """
    return _made(gateway, settings.name, partial(load_factory(gateway), settings), trusted)


def make_stripe(settings: Settings, trusted: Trusted) -> ForeignGateway:
    """The same for Stripe. Raises `SettingsError`."""
    return _made("stripe", "stripe", partial(import_module(STRIPE).make_gateway, settings), trusted)


def stripe_profile(settings: Settings, trusted: Trusted) -> GatewayProfile:
    """Stripe's profile, without its library. Raises `SettingsError`."""
    profile: GatewayProfile = import_module(STRIPE).profile_from_settings(settings)
    return trusted(profile)


def _made(gateway: str, name: str, make: Callable[[], Gateway], trusted: Trusted) -> ForeignGateway:
    try:
        return guarded(name, make, trusted)
    except UnusableGatewayError as error:
        _refuse(f"{gateway} {error}")
    except Exception as error:
        _refuse(_raised(gateway, error))


def make_profile(gateway: str, settings: GatewaySettings, trusted: Trusted) -> GatewayProfile:
    """The profile of that gateway. If the factory has an attribute ``profile``, no gateway is made.

    It is called with the settings, like the factory. Raises `SettingsError`.
    """
    factory = load_factory(gateway)
    profile = getattr(factory, "profile", None)
    if not callable(profile):
        made = make_gateway(gateway, settings, trusted)
        made.close()
        return made.profile
    try:
        said = profile(settings)
    except Exception as error:
        _refuse(_raised(f"{gateway}.profile", error))
    if problem := profile_problem(said):
        _refuse(f"{gateway}.profile {problem}")
    return trusted(said)


def load_factory(gateway: str) -> Factory:
    """Import the factory. Raises `SettingsError`."""
    if is_path(gateway):
        return _from_path(gateway, gateway)
    found = {(one.name, one.value): one for one in entry_points(group=GROUP) if one.name == gateway}
    if not found:
        _refuse(_unknown(gateway))
    if len(found) > 1:
        places = ", ".join(sorted(_package(one) for one in found.values()))
        _refuse(f"several packages have a gateway {gateway} ({places}): remove all but one")
    ((_, value),) = found
    return _from_path(value, f"{gateway} ({value})")


def _from_path(path: str, shown: str) -> Factory:
    module, _, attribute = path.partition(":")
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        _refuse(f"{shown} cannot be imported: there is no module {error.name}; install its package")
    except Exception as error:
        _refuse(f"{shown} cannot be imported: {module} raised {type(error).__name__}")
    for name in attribute.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        _refuse(
            f"{shown} should be a factory: there is no function {attribute} in {module}{_near(attribute, module)}"
        )
    factory: Factory = found
    return factory


def _unknown(gateway: str) -> str:
    installed = sorted({one.name for one in entry_points(group=GROUP)})
    names = [*SHIPPED, *(name for name in installed if name not in SHIPPED)]
    near = difflib.get_close_matches(gateway, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}, or package.module:factory"
    return f"no gateway {gateway} is installed; {hint}"


def _near(attribute: str, module: str) -> str:
    names = [name for name, value in vars(import_module(module)).items() if callable(value)]
    near = difflib.get_close_matches(attribute, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _package(one: EntryPoint) -> str:
    return one.value if one.dist is None else one.dist.name


def _raised(what: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and what == "stripe" and error.name == "stripe":
        return NEEDS_EXTRA
    if isinstance(error, GatewayConfigError) or (isinstance(error, ValueError) and what == "stripe"):
        return f"{what} refuses its settings: {error}"
    if isinstance(error, ModuleNotFoundError):
        return f"{what} needs the module {error.name}: install it"
    # Its text may repeat a password.
    return f"{what} raised {type(error).__name__}; call it in a Python shell to see why"


def _refuse(sentence: str) -> NoReturn:
    # Without a cause: its text may hold secrets.
    raise SettingsError([f"{VARIABLE}: {sentence.rstrip('.')}"]) from None


def careful(profile: GatewayProfile, wanted: GatewayProfile, given: frozenset[str]) -> GatewayProfile:
    """A gateway's profile, made more careful by the settings, never less.

    ``wanted`` is what the settings say; of it count the fields in ``given``, those that are set.
    """
    changes: dict[str, Any] = {}
    if "deduplicates" in given:
        changes["deduplicates"] = profile.deduplicates and wanted.deduplicates
    if "key_life" in given:
        changes["key_life"] = min(profile.key_life, wanted.key_life)
    if "absent_after" in given:
        changes["absent_after"] = max(profile.absent_after, wanted.absent_after)
    return replace(profile, **changes)
