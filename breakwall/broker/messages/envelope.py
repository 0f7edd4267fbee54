"""kombu's envelope, in which Redis holds a message's headers, properties and body."""

import uuid
from base64 import b64decode
from typing import Any

from breakwall.broker.messages.strange import StrangeError, parse_json


def read_envelope(item: bytes | str) -> dict[str, Any]:
    """Read an element of a Redis list, its body as a text.

    Raises:
        StrangeError: it is no envelope.
    """
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
    """Return it as it is, where it has the parts that kombu needs to put it back into a queue.

    Raises:
        StrangeError: it has not.
    """
    if not isinstance(found, dict) or not isinstance(found.get("headers"), dict):
        raise StrangeError("it has no headers")
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        raise StrangeError("it has no properties")
    return found


def addressed_to(queue: str, envelope: dict[str, Any]) -> dict[str, Any]:
    """The envelope with a tag of our own for this delivery, and with the queue that it came from.

    A tag that was there already could be another message's, and take its place among those in hand. A wrong
    queue would send it elsewhere when it is put back.
    """
    properties = {
        "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": "", "routing_key": queue},
        "body_encoding": "utf-8",
        "priority": 0,
    }
    written = {"content-type": "application/json", "content-encoding": "utf-8", "properties": properties}
    return {"headers": envelope["headers"], "body": envelope["body"], **written}
