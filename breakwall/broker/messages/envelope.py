"""kombu's envelope, in which Redis holds a message's headers, properties and body."""

import uuid
from base64 import b64decode
from typing import Any

from breakwall.broker.messages.strange import StrangeError, parse_json


def read_envelope(item: bytes | str) -> dict[str, Any]:
    """Read an element of a Redis list, with its body as text, or raise `StrangeError`."""
    envelope = check_envelope(parse_json(item, "it is no JSON"))
    body, encoding = envelope.get("body"), envelope["properties"].get("body_encoding")
    if not isinstance(body, str) or envelope["headers"].get("compression"):
        raise StrangeError("its body is no text")
    try:
        plain = b64decode(body, validate=True) if encoding == "base64" else body.encode()
        return {**envelope, "body": plain.decode()}
    except ValueError:
        raise StrangeError("its body is no text") from None


def check_envelope(found: object) -> dict[str, Any]:
    """Return it unchanged if kombu can put it back into a queue, or raise `StrangeError`."""
    if not isinstance(found, dict) or not isinstance(found.get("headers"), dict):
        raise StrangeError("it has no headers")
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        raise StrangeError("it has no properties")
    return found


def addressed_to(queue: str, envelope: dict[str, Any]) -> dict[str, Any]:
    """The envelope with a new tag for this delivery and the queue that it came from.

    A tag from the envelope could be another unacknowledged message's, and replace that message. A wrong queue would
    send the message elsewhere when it is put back.
    """
    properties = {
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "utf-8",
        "priority": 0,
    }
    written = {"content-type": "application/json", "content-encoding": "utf-8", "properties": properties}
    return {"headers": envelope["headers"], "body": envelope["body"], **written}
