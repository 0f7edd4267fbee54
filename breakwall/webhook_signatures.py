"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 with secrets that both sides know."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

TOLERANCE = 300.0  # Seconds between the moment of signing and now, both ways.


def sign(secrets: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: a signature with each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def is_signed(secrets: list[bytes], headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether one of the secrets has signed the message, within `TOLERANCE` of ``now`` (seconds since 1970).

    ``headers`` have names in lower case.
    """
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if not message_id or abs(now - int(timestamp)) > TOLERANCE:
        return False
    given = headers.get("webhook-signature", "").encode().split(b" ")
    right = sign(secrets, message_id, int(timestamp), body).encode().split(b" ")
    return any(hmac.compare_digest(one, other) for one in given for other in right)
