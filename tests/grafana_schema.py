"""What Grafana's own schema says of a dashboard: it is in the types of Grafana's foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import panelcfg_config
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()  # The options of each kind of panel, and Prometheus' queries.

UNITS: set[str] = {value for value in vars(units).values() if isinstance(value, str)}


def faults(document: dict[str, Any]) -> list[str]:
    """The fields that Grafana does not know, and those with a value that it does not allow, each with its place."""
    known = Dashboard.from_json(document)
    understood = json.loads(JSONEncoder().encode(known))
    return [
        *_unknown_panels(document),
        *_unknown(document, understood, "dashboard"),
        *_not_allowed(known, Any, "dashboard"),
    ]


def _unknown_panels(document: dict[str, Any]) -> Iterator[str]:
    """The SDK takes any options of a panel that it does not know."""
    for panel in document["panels"]:
        if panel["type"] != "row" and panelcfg_config(panel["type"]) is None:
            yield f"no panel is a {panel['type']}"


def _unknown(given: Any, understood: Any, place: str) -> Iterator[str]:
    """The SDK leaves out what it does not know."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in understood:
                yield f"{place}.{name} is not known"
            else:
                yield from _unknown(value, understood[name], f"{place}.{name}")
    elif isinstance(given, list):
        for number, value in enumerate(given):
            yield from _unknown(value, understood[number], f"{place}[{number}]")


def _not_allowed(value: Any, kind: Any, place: str) -> Iterator[str]:
    if get_origin(kind) is list and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _not_allowed(one, get_args(kind)[0], f"{place}[{number}]")
    elif not _is_of(value, kind):
        yield f"{place} is {value!r}, not {kind}"
    elif get_origin(kind) in {Union, UnionType}:
        (fitting, *_) = [one for one in get_args(kind) if _is_of(value, one)]
        yield from _not_allowed(value, fitting, place)
    elif hasattr(type(value), "__annotations__"):
        for name, hint in get_type_hints(type(value)).items():
            yield from _not_allowed(getattr(value, name), hint, f"{place}.{name}")


def _is_of(value: Any, kind: Any) -> bool:
    """Whether it is of this kind itself, whatever is in it."""
    origin = get_origin(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    if origin in {Union, UnionType}:
        return any(_is_of(value, one) for one in get_args(kind))
    if origin is Literal:
        return value in get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in {member.value for member in kind}
    return _is_instance(value, NoneType if kind is None else origin or kind)


def _is_instance(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
