"""The URLs of the payment service, of its proxy, and of the shop's webhook."""

from pathlib import Path
from urllib.parse import SplitResult

from breakwall.credentials.watched_files import read_line
from breakwall.urls.syntax import PLAIN_HOST, check_host, split


def check_payment_url(url: str) -> None:
    """The payment service, without ``/api/charge``."""
    scheme, parts = split(url, "http", "https")
    if "?" in url or "#" in url:
        raise ValueError("should end with its path, without ? and #")
    _check_http_host(scheme, parts)


def check_webhook_url(url: str) -> None:
    """The shop's endpoint; its path and its query are sent."""
    scheme, parts = split(url, "https", "http")
    if "#" in url:
        raise ValueError("should have no #")
    if any(not "!" <= character <= "~" for character in url):
        raise ValueError("should be ASCII without spaces: write other characters as %20 or %C3%A4")
    _check_http_host(scheme, parts)


def check_collector_url(url: str) -> None:
    """The endpoint of an OpenTelemetry collector for traces."""
    scheme, parts = split(url, "http", "https")
    _check_http_host(scheme, parts)
    if parts.path in {"", "/"}:
        raise ValueError("should be the whole address: http://host:4318/v1/traces would be right")


def check_proxy_url(url: str) -> None:
    """The proxy for the payment service."""
    scheme, parts = split(url, "http")
    _check_http_host(scheme, parts)
    if parts.port is None:
        raise ValueError("names no port: http://host:port would be right")
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        raise ValueError("should end with its port: http://user:password@host:port would be right")


def read_proxy_url(path: Path) -> str:
    """The proxy's URL in a file; a line break at its end is ignored."""
    url = read_line(path)
    check_proxy_url(url)
    return url


def _check_http_host(scheme: str, parts: SplitResult) -> None:
    check_host(scheme, parts)
    if PLAIN_HOST.fullmatch(parts.hostname or ""):
        return
    import httpx2

    try:
        httpx2.URL(f"http://{parts.netloc}")
    except httpx2.InvalidURL:
        raise ValueError("has a host that cannot be one: http://host:port/… would be right") from None
