"""What of a URL may be shown."""

from urllib.parse import unquote, urlsplit

LISTS = ("amqp", "amqps", "sentinel")  # Schemes of which a URL may be several, separated by ;.


def names_a_user(url: str) -> bool:
    """Whether there is a user or a password in it."""
    return "@" in urlsplit(url).netloc


def where(url: str) -> str:
    """A URL without user, password and query: ``where("redis://:pw@h:1/0") == "redis://h:1"``.

    What cannot be read is left out: it may be half of a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme in LISTS and ";" in rest:
        return ", ".join(where(one) for one in url.split(";"))
    try:
        # The scheme may have an underscore (oracle+cx_oracle), with which urlsplit would take all for a path.
        parts = urlsplit(f"any://{rest}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{scheme}://…"
    if not parts.hostname:
        return f"{scheme}://{unquote(parts.path)}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port}"
