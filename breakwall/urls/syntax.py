"""The rules for all URLs: every library must read the same scheme, user, password and host."""

import ipaddress
import re
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

PLAIN_HOST = re.compile(r"[\w.-]+", re.ASCII)
OTHER_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%[\w.-]+)?")
FOUR_NUMBERS = re.compile(r"\d+(\.\d+){3}", re.ASCII)
NO_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")
ESCAPES = "in a user or a password @ is %40, : is %3A, / is %2F, ? is %3F, # is %23, ; is %3B, % is %25"


def split(url: str, *schemes: str) -> tuple[str, SplitResult]:
    """The scheme, which must be one of ``schemes``, and the parts."""
    return scheme_of(url, *schemes), parts_of(url)


def scheme_of(url: str, *schemes: str) -> str:
    """The scheme, which must be one of ``schemes``."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in schemes:
        raise ValueError(f"should be a URL that starts with one of {', '.join(f'{s}://' for s in schemes)}")
    return scheme


def parts_of(url: str) -> SplitResult:
    """The parts, with the scheme ``any``, because urlsplit refuses an underscore in it (oracle+cx_oracle)."""
    rest = url.partition("://")[2]
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("holds a control character, such as a tab or the end of a line")
    if "#" in re.split("[/?]", rest)[0]:
        raise ValueError("holds a # before its path: %23 would be right")
    try:
        parts = urlsplit(f"any://{rest}")
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        # The wrong port may be a part of a password.
        hint = f"; {ESCAPES}" if "@" in rest else ""
        raise ValueError(f"is not a URL; its port should be a number from 1 to 65535{hint}")
    return parts


def check_host(scheme: str, parts: SplitResult) -> None:
    """There is a valid host."""
    check_credentials(parts)
    if not parts.hostname:
        raise ValueError(f"names no host: {scheme}://host:port/… would be right")
    check_host_name(scheme, parts.hostname)


def check_host_name(scheme: str, host: str) -> None:
    if not OTHER_HOST.fullmatch(host) or (FOUR_NUMBERS.fullmatch(host) and not _is_address(host)):
        raise ValueError(f"has a host that cannot be one: {scheme}://host:port/… would be right")


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def check_credentials(parts: SplitResult) -> None:
    """Every library reads the same user, password and host. Else one could show a password as the host."""
    if parts.netloc.count("@") > 1 or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ValueError(f"holds an @ elsewhere than before its host; {ESCAPES}")
    if parts.fragment:
        raise ValueError(f"holds a #; {ESCAPES}")
    userinfo = parts.netloc.rpartition("@")[0]
    if NO_ESCAPE.search(userinfo + parts.path):
        raise ValueError(f"holds a % that begins no escape: %25 would be right; {ESCAPES}")
    try:
        unquote_to_bytes(userinfo).decode()
    except UnicodeDecodeError:
        raise ValueError("has escapes before its host that are no UTF-8") from None


def check_user_has_password(scheme: str, parts: SplitResult) -> None:
    # A user alone is mostly the password, and would be shown as the user.
    if parts.username and parts.password is None:
        raise ValueError(
            f"names a user without a password: {scheme}://:password@host/… or "
            f"{scheme}://user:password@host/… would be right"
        )


def check_name(parts: SplitResult, what: str) -> None:
    # A server repeats an unknown name in its error, so a misplaced password would be shown.
    if re.search("[:;&=]", parts.path):
        raise ValueError(
            f"has a : ; & or = in its {what}'s name: user and password belong before the host, and the first "
            "parameter after a ?; in a name : is %3A, ; is %3B, & is %26, = is %3D"
        )
