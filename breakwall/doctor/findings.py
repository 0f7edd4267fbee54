"""A check's findings, and running many checks at once without waiting for any of them for ever."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Seconds for all checks together: above every timeout of the parts themselves, below what a person waits.
TIMEOUT = 6.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report: ``advice`` says what to do about a problem."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


Check = Callable[[], list[Finding]]


def fine(name: str, detail: str, advice: str = "") -> Finding:
    """A finding that is no problem; ``advice`` is a remark."""
    return Finding(name, True, detail, advice)


def problem(name: str, detail: str, advice: str) -> Finding:
    """A problem, and what to do about it."""
    return Finding(name, False, detail, advice)


def run_all(checks: Mapping[str, Check], *, timeout: float = TIMEOUT) -> list[Finding]:
    """Run all checks side by side; one that hangs or fails is a problem under its own name.

    Returns within ``timeout`` seconds, with the findings in the order of ``checks``. A check that still hangs goes on
    in a daemon thread.
    """
    found: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=_run, args=(name, check, found), daemon=True)
        for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [finding for name in checks for finding in found.get(name) or [_hung(name, timeout)]]


def _run(name: str, check: Check, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = check()
    except Exception as error:  # a check may meet anything
        # Only the error's name: its text may hold a URL with its password.
        detail = f"the check failed with {type(error).__name__}"
        found[name] = [problem(name, detail, "Look at the setting that it belongs to.")]


def _hung(name: str, timeout: float) -> Finding:
    return problem(
        name, f"no answer within {timeout:g} s", "It hangs: check its address, and for a firewall between."
    )
