"""The documents of backlog, history, workers, circuit and queue as pydantic models, for the OpenAPI document.

They are made from the classes that the documents are made from, so they have the same fields.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, WithJsonSchema, create_model

from breakwall.breaker import BreakerStatus, Override
from breakwall.monitor.alarms import Alarm
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.history.sample import Sample
from breakwall.payments.fleet.drain_control import DrainState
from breakwall.payments.fleet.workers import Worker

Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
_OPTIONAL_MOMENT = Moment | None

# Seconds since 1970 in the class, a text in the document (`json_documents`).
_EPOCH: dict[type[Any], dict[str, Any]] = {
    BreakerStatus: {
        "store_time": Moment,
        **dict.fromkeys(("opened_at", "open_until", "last_failure_at", "passing_since"), _OPTIONAL_MOMENT),
    },
    Override: {"set_at": Moment, "expires_at": _OPTIONAL_MOMENT},
}
_LEFT_OUT: dict[type[Any], set[str]] = {Backlog: {"broker_awaits_worker"}}


@cache
def model_of(cls: type[Any], name: str | None = None) -> type[BaseModel]:
    """The model of a dataclass, with the models of those within it."""
    hints = get_type_hints(cls) | _EPOCH.get(cls, {})
    names = [each.name for each in fields(cls) if each.name not in _LEFT_OUT.get(cls, ())]
    found: dict[str, Any] = {each: (_type(hints[each]), ...) for each in names}
    return create_model(name or cls.__name__, **found)


def _type(hint: Any) -> Any:
    if hint is datetime:
        return Moment
    if is_dataclass(hint) and isinstance(hint, type):
        return model_of(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return Union[tuple(_type(part) for part in parts)]  # noqa: UP007 - the parts are not known before
    if origin is tuple and parts[-1] is Ellipsis:
        return list[_type(parts[0])]  # type: ignore[misc]
    return hint


def _list_of(model: type[BaseModel]) -> Any:
    return (list[model], ...)  # type: ignore[valid-type]


BacklogDocument = model_of(Backlog)
BreakerDocument = create_model("Breaker", __base__=model_of(BreakerStatus), effective_state=(str, ...))
QueueDocument = model_of(DrainState, "Queue")
HistoryDocument = create_model("History", points=_list_of(model_of(Sample, "HistoryPoint")))
FleetDocument = create_model(
    "Fleet",
    at=(Moment, ...),
    alive=(int, ...),
    workers=_list_of(model_of(Worker)),
    warnings=_list_of(model_of(Alarm)),
)
