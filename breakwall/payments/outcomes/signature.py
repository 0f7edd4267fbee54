"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA256 with secrets that both sides know."""

import base64
import hashlib
import hmac


def sign(secrets: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``: a signature with each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
