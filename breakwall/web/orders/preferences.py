"""The header ``Prefer`` (RFC 7240): ``respond-async`` and ``wait=SECONDS``. Anything else in it is ignored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import Request

LONGEST_WAIT = 30  # Seconds: proxies cut longer requests off.

# One preference: a name, perhaps a value, perhaps parameters. The value may be quoted.
_PREFERENCE = re.compile(
    r"""\s*+(?P<name>[!#$%&'*+.^_`|~\w-]++)\s*+(?:=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<value>[^\s",;]*)))?"""
    r"""\s*+(?:;(?:[^",]|"(?:[^"\\]|\\.)*")*)?(?:,|$)""",
    re.ASCII,
)
_MOST_PREFERENCES = 20
_LONGEST_HEADER = 500  # Characters. A longer one is ignored.


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a caller prefers. ``wait``: seconds, at most `LONGEST_WAIT`; None: not said."""

    wait: int | None = None
    respond_async: bool = False

    @property
    def enqueues(self) -> bool:
        """Whether the order goes straight to the queue. With ``wait`` too, the caller waits so long first."""
        return self.respond_async and self.wait is None

    @property
    def headers(self) -> dict[str, str]:
        """``Preference-Applied``, and nothing if no preference was understood."""
        wait = [] if self.wait is None else [f"wait={self.wait}"]
        applied = ["respond-async"] * self.respond_async + wait
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


NONE = Preferences()


def preferences_in(values: Iterable[str]) -> Preferences:
    """The preferences in the header's values. Where one comes twice, the first counts."""
    found: dict[str, str] = {}
    text = ", ".join(values)
    for name, value in _listed(text if len(text) <= _LONGEST_HEADER else ""):
        found.setdefault(name, value)
    wait = found.get("wait", "")
    seconds = min(int(wait.lstrip("0")[:9] or 0), LONGEST_WAIT) if wait.isascii() and wait.isdigit() else None
    return Preferences(seconds, "respond-async" in found)


def _listed(text: str) -> Iterable[tuple[str, str]]:
    at = 0
    for _ in range(_MOST_PREFERENCES):
        one = _PREFERENCE.match(text, at)
        if one is None:
            return  # What follows is no list of preferences.
        yield one["name"].lower(), one["value"] or one["quoted"] or ""
        at = one.end()


DOCUMENTED = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": (
        f"`wait=N`: wait at most N seconds for the outcome, at most {LONGEST_WAIT}. `respond-async`: straight to the "
        "queue, without a charge now. See RFC 7240."
    ),
    "schema": {"type": "string"},
    "example": "wait=5",
}
"""The header in the OpenAPI document."""


def preferences_of(request: Request) -> Preferences:
    """The request's preferences."""
    values = request.headers.getlist("prefer")
    return preferences_in(values) if values else NONE
