"""Does a prepared charge charge nothing, and a cancelled one never?"""

from __future__ import annotations

from collections.abc import Iterator

from breakwall.payments.gateways import ChargeRequest, LookupResult, Outcome
from breakwall.rehearsal.lookups import explained
from breakwall.rehearsal.measurements import Measurement, Subject, Verdict, judge
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import NoChargeError, Sandbox

PREPARES, CANCELS = "profile: prepares", "profile: cancels"


def ask_about_preparing(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """What the profile says about preparing and cancelling."""
    if sandbox.profile.prepares:
        yield _prepared_alone(sandbox)
    if sandbox.profile.cancels:
        yield _cancelled_then_charged(sandbox)
        yield _paid_then_cancelled(sandbox)
        yield _cancelled_unknown(sandbox)


def _prepared_alone(sandbox: Sandbox) -> Measurement:
    """That there is no charge yet may be a look-up that is behind; only a prepared charge that is found says more."""
    answer = sandbox.search(sandbox.ready(), shortest=sandbox.slowest_find).answer
    kept = {LookupResult.PREPARED: True, LookupResult.ABSENT: None, LookupResult.UNAVAILABLE: None}
    shown = kept.get(answer.result, False)
    return _measured("a prepared charge, not confirmed", explained(answer), PREPARES, shown)


def _cancelled_then_charged(sandbox: Sandbox) -> Measurement:
    request = sandbox.ready()
    cancelled = sandbox.cancel(request)
    seen, shown = _charged_late(sandbox, request)
    if cancelled.result is not LookupResult.CANCELLED:
        shown = None if cancelled.result is LookupResult.UNAVAILABLE else False
    return _measured(
        "a charge that was cancelled first", f"{explained(cancelled)}, then {seen}", CANCELS, shown
    )


def _charged_late(sandbox: Sandbox, request: ChargeRequest) -> tuple[str, bool | None]:
    """Charge what was cancelled: what is seen, and whether it stays uncharged; None: neither answer says so."""
    late, found = sandbox.charge(request), sandbox.look_up(request).result
    seen = late.outcome.value.replace("_", " ")
    if found is LookupResult.SUCCEEDED or late.outcome is Outcome.SUCCEEDED:
        return seen if late.outcome is Outcome.SUCCEEDED else f"{seen}, and a look-up finds a charge", False
    is_final = late.outcome in {Outcome.FAILED, Outcome.DECLINED}
    return seen, True if is_final or found in {LookupResult.CANCELLED, LookupResult.DECLINED} else None


def _paid_then_cancelled(sandbox: Sandbox) -> Measurement:
    request = sandbox.ready()
    paid = sandbox.charge(request)
    if paid.outcome is not Outcome.SUCCEEDED:
        raise NoChargeError(paid)
    answer = sandbox.cancel(request)
    shown = None
    if answer.result is not LookupResult.UNAVAILABLE:
        shown = answer.result is LookupResult.SUCCEEDED and answer.charge_id == paid.charge_id
    return _measured("to cancel what was charged", explained(answer), CANCELS, shown)


def _cancelled_unknown(sandbox: Sandbox) -> Measurement:
    """By a key that was never sent. Of a prepared charge it is not known which one is meant."""
    request: ChargeRequest = sandbox.requests.new()
    answer = sandbox.cancel(request)
    question = "to cancel an unknown key"
    if answer.result is not LookupResult.CANCELLED:
        return Measurement(question, explained(answer), CANCELS, Verdict.NOTED)
    seen, shown = _charged_late(sandbox, request)
    return _measured(question, f"cancelled, then {seen}", CANCELS, shown)


def _measured(question: str, seen: str, says: str, shown: bool | None) -> Measurement:
    return Measurement(question, seen, says, judge(True, shown), Subject.PREPARING, shown)
