"""What the doctor found, and looking at many things at once without waiting for any of them for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PATIENCE = 6.0
"""Seconds for all checks together: above every bound of the parts themselves, below what a person waits."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report: ``advice`` says what to do about a problem."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


Check = Callable[[], list[Finding]]


def look_at_all(checks: Mapping[str, Check], *, patience: float = PATIENCE) -> list[Finding]:
    """Run all checks side by side; one that hangs or fails is a problem under its own name.

    Returns within ``patience`` seconds, with the findings in the order of ``checks``. What still hangs is
    left behind in a daemon thread.
    """
    found: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=_look, args=(name, check, found), daemon=True)
        for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [finding for name in checks for finding in found.get(name) or [_hung(name, patience)]]


def _look(name: str, check: Check, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = check()
    except Exception as error:  # the doctor goes on whatever it meets
        # Only the error's name: its text may hold a URL with its password.
        what = f"the check failed with {type(error).__name__}"
        found[name] = [Finding(name, False, what, "Look at the setting that it belongs to.")]


def _hung(name: str, patience: float) -> Finding:
    return Finding(
        name,
        False,
        f"no answer within {patience:g} s",
        "It hangs: check its address, and for a firewall between.",
    )
