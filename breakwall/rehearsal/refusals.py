"""What do a declined card and too many calls get?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from breakwall.payments.gateways import ChargeAnswer, Outcome
from breakwall.rehearsal.measurements import Measurement, Verdict, judge, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import Sandbox

PROTOCOL = "the gateway's protocol"
DECLINED = "a card that is declined"
AT_ONCE = 8


def ask_for_a_decline(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """A declined card, and then the same key with a good one."""
    terms = sandbox.requests.terms
    if terms.declined_payment_method is None:
        yield not_asked(DECLINED, "--declined-payment-method names none", PROTOCOL)
        return
    request = sandbox.requests.new(payment_method=terms.declined_payment_method)
    declined = sandbox.charge(request)
    verdict = judge(True, declined.outcome is Outcome.DECLINED)
    yield Measurement(DECLINED, explained(declined), PROTOCOL, verdict)
    again = sandbox.charge(replace(request, payment_method=terms.payment_method))
    if sandbox.profile.looks_up:
        sandbox.look_up(request)
    question = "its key again, with a good card"
    yield Measurement(question, explained(again), "a decline is final", Verdict.NOTED)


def ask_too_often(sandbox: Sandbox, calls: int) -> Iterator[Measurement]:
    """So many charges as fast as possible, until one is refused."""
    question = f"{calls} calls as fast as possible"
    answers: list[ChargeAnswer] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while len(answers) < calls and all(answer.outcome is Outcome.SUCCEEDED for answer in answers):
            requests = [sandbox.requests.new() for _ in range(min(AT_ONCE, calls - len(answers)))]
            answers += pool.map(sandbox.charge_once, requests)
    refused = [answer for answer in answers if answer.outcome is not Outcome.SUCCEEDED]
    busy = [answer for answer in refused if answer.outcome is Outcome.THROTTLED]
    verdict = judge(True, len(busy) == len(refused)) if refused else Verdict.NOTED
    yield Measurement(question, _burst(busy, refused), PROTOCOL, verdict)


def explained(answer: ChargeAnswer) -> str:
    """An answer in a few words."""
    outcome = answer.outcome.value.replace("_", " ")
    return f"{outcome} ({answer.code})" if answer.code else outcome


def _burst(busy: list[ChargeAnswer], refused: list[ChargeAnswer]) -> str:
    if not refused:
        return "all were charged"
    if len(busy) < len(refused):
        return explained(next(answer for answer in refused if answer not in busy))
    pauses = [answer.retry_after for answer in busy if answer.retry_after is not None]
    asked = f", for {max(pauses):g} s" if pauses else ", without a Retry-After"
    return f"it asks for a pause{asked}"
