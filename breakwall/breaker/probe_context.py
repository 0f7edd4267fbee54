"""Which probes the running code is a part of: a call within a probe of the same circuit needs no place of its own."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from breakwall.breaker.permit import Permit, Recorder

# Permits whose results are recorded stay in it, but do not count any more.
_probes: ContextVar[tuple[Permit, ...]] = ContextVar("breakwall_probes", default=())


@contextlib.contextmanager
def within(probe: Permit) -> Iterator[None]:
    """The call of ``probe`` runs: calls in it on the same circuit are part of it.

    Only for code that begins and ends in one piece. A generator returns to its reader in the middle of a block, and
    what the reader does then would count as part of the probe.
    """
    token = _probes.set((*(other for other in _probes.get() if other.is_running), probe))
    try:
        yield
    finally:
        # A coroutine may be closed in another context than it ran in: there is nothing to reset there.
        with contextlib.suppress(ValueError):
            _probes.reset(token)


def is_within_probe(recorder: Recorder) -> bool:
    """Whether the running code is part of a probe of this breaker's circuit."""
    return any(probe.is_probe_of(recorder) for probe in _probes.get())


def leave_probes() -> None:
    """Be part of no probe, in a forked child: the probes are its parent's."""
    _probes.set(())
