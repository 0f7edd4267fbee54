"""What does a look-up find, and from when on?"""

from __future__ import annotations

from collections.abc import Iterator

from breakwall.payments.gateways import LookupAnswer, LookupResult
from breakwall.rehearsal.measurements import Measurement, Subject, Verdict, judge, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import Found, Sandbox
from breakwall.terminal.words import duration

UNKNOWN_KEY = "the look-up of an unknown key"
AT_ONCE = 0.05  # Seconds below which nobody waits.


def ask_for_an_unknown_key(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """A key that was never sent. It charges nothing."""
    if not sandbox.profile.looks_up:
        yield not_asked(UNKNOWN_KEY, "the gateway has no look-up by key", promises.finds_charges)
        return
    seen, shown = _unknown(sandbox.look_up(sandbox.requests.new()))
    verdict = judge(True, shown)
    yield Measurement(UNKNOWN_KEY, seen, promises.finds_charges, verdict, Subject.LOOKUP, shown)


def ask_for_a_charge(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """A charge whose answer came."""
    question = "a charge is found by its " + ("id" if sandbox.profile.prepares else "key")
    says = "profile: prepares" if sandbox.profile.prepares else promises.finds_charges
    if not sandbox.profile.finds_charges:
        yield not_asked(question, "the gateway has no look-up", says)
        return
    request = sandbox.ready()
    paid = sandbox.paid(request)
    found = sandbox.search(request)
    sandbox.finds = found.seconds is not None
    seen, shown = _found(found, paid.charge_id)
    verdict = judge(True, shown)
    yield Measurement(question, seen, says, verdict, Subject.LOOKUP, shown)
    if found.seconds is not None:
        yield found_after("from when on it is found", found.seconds, promises)


def found_after(question: str, seconds: float | None, promises: Promises) -> Measurement:
    """How long it took, beside the time after which "no such charge" is trusted. None: it was not found."""
    if seconds is None:
        return Measurement(question, "never", promises.absent_after, Verdict.NOT_SHOWN, Subject.LOOKUP)
    is_early = seconds < AT_ONCE or seconds <= promises.profile.absent_after
    seen = "at once" if seconds < AT_ONCE else f"after {duration(seconds)}"
    verdict = Verdict.HOLDS if is_early else Verdict.BROKEN
    return Measurement(question, seen, promises.absent_after, verdict, Subject.LOOKUP, is_early)


def explained(answer: LookupAnswer) -> str:
    """An answer in a few words."""
    result = answer.result.value.replace("_", " ")
    return f"{result} ({answer.code})" if answer.code else result


def _unknown(answer: LookupAnswer) -> tuple[str, bool | None]:
    match answer.result:
        case LookupResult.ABSENT:
            return "no such charge", True
        case LookupResult.UNAVAILABLE:
            return f"no usable answer ({answer.code})", False
    return f"another charge: {explained(answer)}", False


def _found(found: Found, charge_id: str | None) -> tuple[str, bool]:
    if found.seconds is None:
        return f"never: {explained(found.answer)}", False
    if found.answer.charge_id != charge_id:
        return "another charge is found", False
    return "yes", True
