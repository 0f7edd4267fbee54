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
    return [_parse(one) for one in _split(text)]


def split_secrets(text: str) -> list[str]:
    """The same secrets as texts, for who uses them as they are, such as Stripe. Raises `ValueError`, too."""
    secrets = _split(text)
    if not all(re.fullmatch(rf"{PREFIX}[!-~]{{{SHORTEST},255}}", one) for one in secrets):
        raise ValueError(
            f"should be the signing secret as it was given, {PREFIX}…; several with spaces between"
        )
    return secrets


def read_secrets(path: Path) -> list[bytes]:
    """The secrets in a file, as in `parse_secrets`, with spaces or line breaks between them."""
    return parse_secrets(read_line(path))


def read_secret_texts(path: Path) -> list[str]:
    """The secrets in a file, as in `split_secrets`."""
    return split_secrets(read_line(path))


class SecretsFile(WatchedFiles[list[bytes]]):
    """The secrets in a file, read again when the file changes. Raises `ValueError` without a secret.

    ``variable`` is the setting's that names the file.
    """

    def __init__(self, path: Path, variable: str = "OUTCOMES__WEBHOOK_SECRET_FILE") -> None:
        super().__init__([path], lambda: named(variable, lambda: read_secrets(path)), "webhook's secret")


class SecretTextsFile(WatchedFiles[list[str]]):
    """The same, as texts: see `split_secrets`."""

    def __init__(self, path: Path, variable: str) -> None:
        super().__init__([path], lambda: named(variable, lambda: read_secret_texts(path)), "hint's secret")


def _split(text: str) -> list[str]:
    secrets = re.split(r"[\s,]+", text.strip())
    if len(secrets) > MOST:
        raise ValueError(f"should hold at most {MOST} secrets")
    return secrets


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
