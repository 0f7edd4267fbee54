"""Does the same key charge twice after a cut, or if something on the way repeats the request?"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager

from breakwall.payments.gateways import ChargeRequest, Outcome
from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from breakwall.rehearsal.lookups import found_after
from breakwall.rehearsal.measurements import Measurement, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.repeats import count_charges, seek
from breakwall.rehearsal.sandbox import Sandbox

CUT_ANSWER = "the same key after its answer was cut"
CUT_FOUND = "a charge whose answer was cut is found"
CUT_REQUEST = "the same key after its request was cut"
LATE = "the same key after its request came late"
LATE_FOUND = "a request that comes after its caller gave up is found"
REPEATED = "a request that something on the way repeats"

GIVES_UP = 1.0  # Seconds after which the caller of a late request gives up.

_NO_WAY = "the gateway's calls go neither through PAYMENT_PROXY nor to PAYMENT_URL"
_NO_LOOKUP = "without a look-up, the first charge cannot be seen"
_ENCRYPTED = "the requests are encrypted"
_NO_PART = "the requests are encrypted: the service can read no half of one"
_NOT_CUT = "it could not be cut"
_NOT_FOUND = "the look-up did not find a charge whose answer was lost"


def ask_after_cuts(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key after its answer was cut, and after its request was cut in the middle."""
    why = _why_not(sandbox)
    if why is not None or sandbox.proxy is None:
        for question in (CUT_ANSWER, CUT_REQUEST):
            yield not_asked(question, why or _NO_WAY, promises.deduplicates)
        return
    losing = sandbox.proxy.failing(Fault.RESET)
    found = yield from _after_a_lost_answer(sandbox, promises, (CUT_FOUND, CUT_ANSWER), losing)
    if sandbox.can_read:
        yield _after_a_cut_request(sandbox, promises, sandbox.proxy, doubt=None if found else _NOT_FOUND)
    else:
        yield not_asked(CUT_REQUEST, _NO_PART, promises.deduplicates)


def ask_for_a_late_arrival(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """A request that something on the way holds until its caller has given up, and then lets through."""
    why = _why_not(sandbox)
    if why is not None or sandbox.proxy is None:
        yield not_asked(LATE, why or _NO_WAY, promises.deduplicates)
        return
    losing = sandbox.proxy.delivering(Delivery.LATE)
    yield from _after_a_lost_answer(sandbox, promises, (LATE_FOUND, LATE), losing, GIVES_UP)


def ask_for_repeats(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """One request that the proxy delivers twice, as some proxies and load balancers do."""
    why = _why_not(sandbox) or (None if sandbox.can_read else _ENCRYPTED)
    if why is not None or sandbox.proxy is None:
        yield not_asked(REPEATED, why or _NO_WAY, promises.deduplicates)
        return
    request, before = sandbox.ready(), sandbox.proxy.repeated
    with sandbox.proxy.delivering(Delivery.TWICE):
        answer = sandbox.charge(request, deliveries=2)
    seek(sandbox, request)
    seen, shown = count_charges(sandbox, request, [answer])
    if shown and sandbox.proxy.repeated == before:
        seen, shown = f"{seen}, but it was not repeated", None
    yield _about(promises, REPEATED, request, seen, shown)


def _why_not(sandbox: Sandbox) -> str | None:
    if not sandbox.can_cut:
        return _NO_WAY
    return None if sandbox.profile.finds_charges else _NO_LOOKUP


def _after_a_lost_answer(
    sandbox: Sandbox,
    promises: Promises,
    questions: tuple[str, str],
    losing: AbstractContextManager[None],
    timeout: float | None = None,
) -> Generator[Measurement, None, bool]:
    """Is the charge found, and does a repeat charge again? Returns whether it was found before the repeat."""
    request = sandbox.ready()
    with losing:
        lost, since = sandbox.charge_once(request, timeout=timeout), sandbox.clock()
    found = sandbox.search(request, shortest=2 * promises.profile.absent_after, since=since)
    yield found_after(questions[0], found.seconds, promises)
    doubt = None if lost.outcome is Outcome.UNKNOWN else _NOT_CUT
    if found.seconds is None:
        doubt = _NOT_FOUND
    yield _repeated(sandbox, promises, questions[1], request, doubt=doubt)
    return found.seconds is not None


def _after_a_cut_request(
    sandbox: Sandbox, promises: Promises, proxy: FaultProxy, *, doubt: str | None
) -> Measurement:
    """Like the pipeline, it repeats nothing before "no such charge" is true."""
    request = sandbox.ready()
    with proxy.delivering(Delivery.HALF):
        cut = sandbox.charge_once(request)
    sandbox.search(request, shortest=promises.profile.absent_after)
    doubt = doubt if cut.outcome is not Outcome.SUCCEEDED else _NOT_CUT
    return _repeated(sandbox, promises, CUT_REQUEST, request, doubt=doubt)


def _repeated(
    sandbox: Sandbox, promises: Promises, question: str, request: ChargeRequest, *, doubt: str | None
) -> Measurement:
    """Send the request once more, and count. With a doubt, one charge that is seen may be the second."""
    again = sandbox.charge(request)
    is_seen = seek(sandbox, request)
    seen, shown = count_charges(sandbox, request, [again])
    doubt = doubt if doubt or is_seen else _NOT_FOUND
    if shown and doubt:
        seen, shown = f"{seen}, but {doubt}", None
    return _about(promises, question, request, seen, shown)


def _about(
    promises: Promises, question: str, request: ChargeRequest, seen: str, shown: bool | None
) -> Measurement:
    return promises.about_repeats(question, seen, shown, confirmed=request.prepared is not None)
