"""Does the same key charge twice after a cut, or if something on the way repeats the request?"""

from __future__ import annotations

from collections.abc import Iterator

from breakwall.payments.gateways import ChargeRequest, Outcome
from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from breakwall.rehearsal.lookups import found_after
from breakwall.rehearsal.measurements import Measurement, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.repeats import count_charges, seek
from breakwall.rehearsal.sandbox import Sandbox

CUT_ANSWER = "the same key after its answer was cut"
CUT_REQUEST = "the same key after its request was cut"
REPEATED = "a request that something on the way repeats"

_NO_WAY = "the gateway's calls go neither through PAYMENT_PROXY nor to PAYMENT_URL"
_NO_LOOKUP = "without a look-up, the first charge cannot be seen"
_ENCRYPTED = "the requests are encrypted"


def ask_after_cuts(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key after its answer was cut, and after its request was cut in the middle."""
    for question, why in ((CUT_ANSWER, _why_not(sandbox)), (CUT_REQUEST, _why_not(sandbox))):
        if why is not None or sandbox.proxy is None:
            yield not_asked(question, why or _NO_WAY, promises.deduplicates)
        elif question == CUT_ANSWER:
            yield from _after_a_cut_answer(sandbox, promises, sandbox.proxy)
        else:
            yield _after_a_cut_request(sandbox, promises, sandbox.proxy)


def ask_for_repeats(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """One request that the proxy delivers twice, as some proxies and load balancers do."""
    why = _why_not(sandbox) or (None if sandbox.can_repeat else _ENCRYPTED)
    if why is not None or sandbox.proxy is None:
        yield not_asked(REPEATED, why or _NO_WAY, promises.deduplicates)
        return
    request = sandbox.ready()
    with sandbox.proxy.delivering(Delivery.TWICE):
        answer = sandbox.charge(request, deliveries=2)
    seek(sandbox, request)
    yield _about(promises, REPEATED, request, *count_charges(sandbox, request, [answer]))


def _why_not(sandbox: Sandbox) -> str | None:
    if not sandbox.can_cut:
        return _NO_WAY
    return None if sandbox.profile.finds_charges else _NO_LOOKUP


def _after_a_cut_answer(sandbox: Sandbox, promises: Promises, proxy: FaultProxy) -> Iterator[Measurement]:
    request = sandbox.ready()
    with proxy.failing(Fault.RESET):
        cut = sandbox.charge_once(request)
    found = sandbox.search(request)
    if found.seconds is not None:
        yield found_after("a charge whose answer was cut is found", found.seconds, promises)
    yield _repeated(sandbox, promises, CUT_ANSWER, request, was_cut=cut.outcome is Outcome.UNKNOWN)


def _after_a_cut_request(sandbox: Sandbox, promises: Promises, proxy: FaultProxy) -> Measurement:
    request = sandbox.ready()
    with proxy.delivering(Delivery.HALF):
        cut = sandbox.charge_once(request)
    sandbox.look_up(request)
    return _repeated(sandbox, promises, CUT_REQUEST, request, was_cut=cut.outcome is not Outcome.SUCCEEDED)


def _repeated(
    sandbox: Sandbox, promises: Promises, question: str, request: ChargeRequest, *, was_cut: bool
) -> Measurement:
    """Send the request once more, and count. What was charged before is seen only if its look-up finds charges."""
    again = sandbox.charge(request)
    is_seen = seek(sandbox, request)
    seen, shown = count_charges(sandbox, request, [again])
    if not was_cut:
        seen, shown = "it could not be cut", None
    elif shown and not is_seen:
        seen, shown = f"{seen}, but its look-up does not find it", None
    return _about(promises, question, request, seen, shown)


def _about(
    promises: Promises, question: str, request: ChargeRequest, seen: str, shown: bool | None
) -> Measurement:
    return promises.about_repeats(question, seen, shown, confirmed=request.prepared is not None)
