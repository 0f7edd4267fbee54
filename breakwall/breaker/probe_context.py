"""Which probes the running code belongs to: a call inside a probe of the same circuit needs no slot of its own."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from breakwall.breaker.permit import Permit, Recorder

# It may contain permits whose results are recorded. They do not count.
_probes: ContextVar[tuple[Permit, ...]] = ContextVar("breakwall_probes", default=())


@contextlib.contextmanager
def within(probe: Permit) -> Iterator[None]:
    """Inside this block, calls on the same circuit belong to ``probe``.

    Not for a generator: it pauses in the middle of the block, and its reader's calls would belong to the probe too.
    """
    token = _probes.set((*(other for other in _probes.get() if other.is_running), probe))
    try:
        yield
    finally:
        # A coroutine may be closed in another context than the one it ran in. There is nothing to reset there.
        with contextlib.suppress(ValueError):
            _probes.reset(token)


def is_within_probe(recorder: Recorder) -> bool:
    """Whether the running code belongs to a probe of this breaker's circuit."""
    return any(probe.is_probe_of(recorder) for probe in _probes.get())


def leave_probes() -> None:
    """In a forked child: belong to no probe, because the probes are the parent's."""
    _probes.set(())
