"""Does the same key charge twice: one after the other, at once, with another amount?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, Outcome
from breakwall.rehearsal.charges import is_refusal
from breakwall.rehearsal.measurements import Measurement, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import Sandbox

AT_ONCE = 3


def ask_again(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key, one after the other."""
    request = sandbox.requests.new()
    answers = [sandbox.paid(request), sandbox.charge(request)]
    yield promises.about_repeats("the same key again", *count_charges(sandbox, request, answers))
    if sandbox.profile.prepares:
        ready = sandbox.ready()
        answers = [sandbox.paid(ready), sandbox.charge(ready)]
        counted = count_charges(sandbox, ready, answers)
        yield promises.about_repeats("the same prepared charge again", *counted, confirmed=True)


def ask_at_once(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key on several connections at the same time."""
    request = sandbox.ready()
    proxy = sandbox.proxy if sandbox.can_cut else None
    with nullcontext() if proxy is None else proxy.gathering(AT_ONCE):
        answers = sandbox.at_once(request, AT_ONCE)
    if not sandbox.charges.ids(request):
        answers.append(sandbox.charge(request))
    seek(sandbox, request)
    question = f"the same key {AT_ONCE} times at once"
    yield promises.about_repeats(
        question, *count_charges(sandbox, request, answers), confirmed=request.prepared is not None
    )


def ask_another_amount(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """The same key with another amount."""
    request = sandbox.requests.new()
    other = replace(request, amount=request.amount + 1)
    answers = [sandbox.paid(request), sandbox.charge(other)]
    seek(sandbox, request)
    yield promises.about_repeats(
        "the same key with another amount", *count_charges(sandbox, request, answers)
    )


def ask_about_time(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """For how long a key is remembered: that would take days."""
    yield not_asked("for how long a key is remembered", "it takes too long to see", promises.key_life)


def seek(sandbox: Sandbox, request: ChargeRequest) -> bool:
    """Look a charge up, for the list of charges. Whether it was found."""
    return sandbox.profile.finds_charges and sandbox.search(request).seconds is not None


def count_charges(
    sandbox: Sandbox, request: ChargeRequest, answers: Sequence[ChargeAnswer]
) -> tuple[str, bool | None]:
    """What was seen of the charges under the request's key, and whether it was one; None: that is not known."""
    ids = sandbox.charges.ids(request)
    number = len(ids)
    if number != 1:
        return ("no charge was seen", None) if number == 0 else (f"{number} charges", False)
    if ids & {request.idempotency_key, str(request.reference), str(request.order_id)}:
        return "its ids do not tell charges apart: they are our own", None
    if _is_denied(sandbox, request, answers):
        return "one charge, and an answer that says there is none", False
    others = [answer for answer in answers if answer.outcome is not Outcome.SUCCEEDED]
    if not others:
        return "one charge", True
    codes = ", ".join(sorted({answer.code or answer.outcome.value for answer in others}))
    if all(is_refusal(answer) for answer in others):
        return f"one charge; a repeat was refused ({codes})", True
    return f"one charge; a repeat failed ({codes})", None


def _is_denied(sandbox: Sandbox, request: ChargeRequest, answers: Sequence[ChargeAnswer]) -> bool:
    """An answer says that nothing was charged, which is taken as a proof. Of a preparation it is true."""
    prepares_again = sandbox.profile.prepares and request.prepared is None
    return not prepares_again and any(answer.outcome is Outcome.FAILED for answer in answers)
