"""The secrets that sign webhooks, by Standard Webhooks 1.0.0: ``whsec_`` and base64."""

import base64
import binascii
import re
from pathlib import Path

from breakwall.credentials import WatchedFiles, named, read_line

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # Bytes of a secret.
MOST = 5  # Each one signs every webhook.


def parse_secrets(text: str) -> list[bytes]:
    """The secrets in a setting, with spaces or commas between them.

    Raises `ValueError`, which does not repeat them.
    """
    secrets = [_parse(one) for one in re.split(r"[\s,]+", text.strip())]
    if len(secrets) > MOST:
        raise ValueError(f"should hold at most {MOST} secrets")
    return secrets


def read_secrets(path: Path) -> list[bytes]:
    """The secrets in a file, as in `parse_secrets`, with spaces or line breaks between them."""
    return parse_secrets(read_line(path))


class SecretsFile(WatchedFiles[list[bytes]]):
    """The secrets in a file, read again when the file changes. Raises `ValueError` without a secret."""

    def __init__(self, path: Path) -> None:
        read = lambda: named("OUTCOMES__WEBHOOK_SECRET_FILE", lambda: read_secrets(path))  # noqa: E731
        super().__init__([path], read, "webhook's secret")


def _parse(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or not SHORTEST <= len(secret) <= LONGEST:
        raise ValueError(
            f"should be {PREFIX} and the base64 of {SHORTEST} to {LONGEST} random bytes; several with spaces between"
        )
    return secret
