"""A check's findings, and running all checks in parallel with a timeout."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TIMEOUT = 6.0  # Seconds for all checks: more than each part's own timeout, less than a person waits.


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; ``advice`` is what to do."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


Check = Callable[[], list[Finding]]


def fine(name: str, detail: str, advice: str = "") -> Finding:
    """A finding that is not a problem; ``advice`` is optional."""
    return Finding(name, True, detail, advice)


def problem(name: str, detail: str, advice: str) -> Finding:
    return Finding(name, False, detail, advice)


def run_all(checks: Mapping[str, Check], *, timeout: float = TIMEOUT) -> list[Finding]:
    """Run all checks in parallel, and return their findings in the order of ``checks`` within ``timeout`` seconds.

    A check that fails or hangs is a problem under its own name. A hanging one stays in its daemon thread.
    """
    found: dict[str, list[Finding]] = {}
    threads = [threading.Thread(target=_run, args=(*item, found), daemon=True) for item in checks.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [finding for name in checks for finding in found.get(name) or [_hung(name, timeout)]]


def _run(name: str, check: Check, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = check()
    except Exception as error:
        # Only the error's name: its text may contain a URL with its password.
        detail = f"the check failed with {type(error).__name__}"
        found[name] = [problem(name, detail, "Check the setting that it belongs to.")]


def _hung(name: str, timeout: float) -> Finding:
    return problem(name, f"no answer within {timeout:g} s", "Check its address, and firewalls on the way.")
