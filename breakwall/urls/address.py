"""The part of a URL that may be shown."""

from urllib.parse import unquote, urlsplit

LISTS = ("amqp", "amqps", "sentinel")  # Schemes whose URL may be a list, separated by ;.


def names_a_user(url: str) -> bool:
    """Whether the URL holds a user or a password."""
    return "@" in urlsplit(url).netloc


def where(url: str) -> str:
    """A URL without user, password and query: ``where("redis://:pw@h:1/0") == "redis://h:1"``.

    A part that cannot be read is left out, because it may be half of a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme in LISTS and ";" in rest:
        return ", ".join(where(one) for one in url.split(";"))
    try:
        # With an underscore in the scheme (oracle+cx_oracle), urlsplit would read the whole URL as a path.
        parts = urlsplit(f"any://{rest}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{scheme}://…"
    if not parts.hostname:
        return f"{scheme}://{unquote(parts.path)}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}{port}"
