"""The message to the workers: which orders are probably due. The database is the truth.

It has one order's id (form 1) or a list of ids (form 2). A version reads its own form and earlier ones, and ignores
what a later form adds.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, TypeGuard

from breakwall.broker.config import TASK
from breakwall.broker.messages.strange import StrangeError, parse_json

# The newest form that this version reads; each worker's heartbeat reports it. Forms 1 and 2 may always be sent, because
# every version that may run beside this one reads them. A later form may be sent only while every live worker reads it.
MESSAGE_FORM = 2

MAX_IDS = 500  # In one message.

_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")  # Of an order or a message; ours are 32 hexadecimal digits.
_TRACES = ("traceparent", "tracestate", "baggage", "sentry-trace")  # Headers of tracing tools.
_MAX_TRACE = 8192


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """What the task needs of a message, in Celery's form. All of it is newly written."""

    id: str
    headers: dict[str, Any]
    body: bytes
    order_ids: list[str]

    @property
    def orders(self) -> int:
        """How many it names."""
        return len(self.order_ids)


def read_message(headers: object, body: object) -> OrderMessage:
    """Read one message, from any broker, or raise `StrangeError`."""
    if not isinstance(headers, dict):
        raise StrangeError("it has no headers")
    if headers.get("task") != TASK:
        raise StrangeError("it is for another task")
    if headers.get("compression"):
        raise StrangeError("it is compressed")
    message_id = headers.get("id")
    if not _is_id(message_id):
        raise StrangeError("its id is none")
    orders = _first_argument(body)
    ids = ids_in(orders)
    return OrderMessage(message_id, _clean_headers(message_id, orders, headers), _clean_body(orders), ids)


def ids_in(argument: object) -> list[str]:
    """The orders that a message's argument names: an id, or a list of 1 to `MAX_IDS`. Else raises `StrangeError`."""
    named = argument if isinstance(argument, list) else [argument]
    ids = [one for one in named if _is_id(one)]
    if not 1 <= len(ids) <= MAX_IDS or len(ids) < len(named):
        raise StrangeError("its arguments are no orders")
    return ids


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _first_argument(body: object) -> Any:
    if not isinstance(body, (bytes, str, memoryview)):
        raise StrangeError("it has no body")
    found = parse_json(bytes(body) if isinstance(body, memoryview) else body, "its body is no JSON")
    # Arguments that a later version may add are ignored.
    match found:
        case [list() as arguments, dict(), _]:
            return arguments[0] if arguments else []
    raise StrangeError("its body is no call of the task")


def _clean_headers(message_id: str, orders: str | list[str], given: dict[Any, Any]) -> dict[str, Any]:
    traces = {name: given[name] for name in _TRACES if _is_trace(given.get(name))}
    shown = orders if isinstance(orders, str) else f"{len(orders)} orders"
    ours = {"lang": "py", "task": TASK, "id": message_id, "root_id": message_id, "retries": 0}
    return {**traces, **ours, "argsrepr": f"('{shown}',)", "kwargsrepr": "{}", "ignore_result": True}


def _is_trace(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TRACE and value.isascii() and value.isprintable()


def _clean_body(orders: str | list[str]) -> bytes:
    afterwards = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return json.dumps([[orders], {}, afterwards]).encode()
