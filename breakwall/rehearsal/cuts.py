"""Does the same key charge twice after a cut, or if something on the way repeats the request?"""

from __future__ import annotations

from collections.abc import Generator, Iterator

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
REPEATED = "a request that something on the way repeats"

_NO_WAY = "the gateway's calls go neither through PAYMENT_PROXY nor to PAYMENT_URL"
_NO_LOOKUP = "without a look-up, the first charge cannot be seen"
_ENCRYPTED = "the requests are encrypted"
_NO_PART = "the requests are encrypted: the service can read no half of one"
_NOT_CUT = "it could not be cut"
_NOT_FOUND = "the look-up did not find a charge whose answer was cut"


def ask_after_cuts(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key after its answer was cut, and after its request was cut in the middle."""
    why = _why_not(sandbox)
    if why is not None or sandbox.proxy is None:
        for question in (CUT_ANSWER, CUT_REQUEST):
            yield not_asked(question, why or _NO_WAY, promises.deduplicates)
        return
    found = yield from _after_a_cut_answer(sandbox, promises, sandbox.proxy)
    if sandbox.can_read:
        yield _after_a_cut_request(sandbox, promises, sandbox.proxy, doubt=None if found else _NOT_FOUND)
    else:
        yield not_asked(CUT_REQUEST, _NO_PART, promises.deduplicates)


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


def _after_a_cut_answer(
    sandbox: Sandbox, promises: Promises, proxy: FaultProxy
) -> Generator[Measurement, None, bool]:
    """Returns whether the charge was found before it was repeated."""
    request = sandbox.ready()
    with proxy.failing(Fault.RESET):
        cut = sandbox.charge_once(request)
    found = sandbox.search(request, shortest=2 * promises.profile.absent_after)
    yield found_after(CUT_FOUND, found.seconds, promises)
    doubt = None if cut.outcome is Outcome.UNKNOWN else _NOT_CUT
    if found.seconds is None:
        doubt = _NOT_FOUND
    yield _repeated(sandbox, promises, CUT_ANSWER, request, doubt=doubt)
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
