"""Which keys does the service keep apart, and find again? Callers choose their keys, and some services change them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from breakwall.payments.gateways import ChargeRequest, LookupResult, Outcome
from breakwall.payments.keys import order_id_within
from breakwall.rehearsal.measurements import Measurement, Subject, Verdict, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.sandbox import Sandbox
from breakwall.terminal.words import count

SEARCH = 2.0  # Seconds: many keys may not be found at all.

# Two keys that differ in one thing alone.
SHAPES: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "a slash": lambda base: (f"{base}/1", f"{base}%2F1"),
    "a dot": lambda base: (f"{base}.1", f"{base}.2"),
    "a percent sign": lambda base: (f"{base}%41", f"{base}A"),
    "letters beyond ASCII": lambda base: (f"{base}-\u00e9", f"{base}-e\u0301"),
    "a space": lambda base: (f"{base} 1", f"{base}%201"),
    "a plus sign": lambda base: (f"{base}+1", f"{base} 1"),
    "255 characters": lambda base: (f"{base:-<254}1", f"{base:-<254}2"),
    "capitals": lambda base: (f"{base}-a", f"{base}-A"),
}
CHARGES = 2 * len(SHAPES)


def ask_for_key_shapes(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """Two keys of each shape, which differ in that alone: are they two charges, and is each found?"""
    for name, shape in SHAPES.items():
        seen, shown = _examine(sandbox, *shape(sandbox.requests.reference()))
        yield promises.about_keys(f"keys with {name}", seen, shown)


def ask_whether_keys_are_apart(sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    """Whether all keys that are sent as an order's were different charges. Makes none."""
    question = "different keys are different charges"
    sent = [_sent_as_an_orders(keys, promises) for keys in sandbox.charges.keys_by_id().values()]
    if len({key for keys in sent for key in keys}) < 2:
        yield not_asked(question, "fewer than two keys were charged", promises.keys)
        return
    shared = sum(len(keys) > 1 for keys in sent)
    seen = f"{count(shared, 'charge')} for several keys" if shared else "yes"
    verdict = Verdict.BROKEN if shared else Verdict.HOLDS
    yield Measurement(question, seen, promises.keys, verdict, Subject.KEYS, not shared)


def _sent_as_an_orders(keys: Sequence[str], promises: Promises) -> list[str]:
    return [key for key in keys if promises.sends_caller_keys or order_id_within(key)]


def _examine(sandbox: Sandbox, first: str, second: str) -> tuple[str, bool | None]:
    requests = [sandbox.requests.under(key, as_it_is=True) for key in (first, second)]
    ids: list[str | None] = []
    for request in requests:
        answer = sandbox.charge(request)
        if answer.outcome is not Outcome.SUCCEEDED:
            return _refused(answer.code, is_second=bool(ids)), False
        ids.append(answer.charge_id)
    if ids[0] == ids[1]:
        return "two keys are one charge", False
    if not sandbox.profile.looks_up:
        return "two charges; not looked up", True
    return _look_up(sandbox, requests, ids)


def _refused(code: str | None, *, is_second: bool) -> str:
    return f"the second of two was refused ({code})" if is_second else f"refused ({code})"


def _look_up(
    sandbox: Sandbox, requests: list[ChargeRequest], ids: list[str | None]
) -> tuple[str, bool | None]:
    """Each key must find its own charge, without what was prepared."""
    for request, charge_id in zip(requests, ids, strict=True):
        found = sandbox.search(request, shortest=SEARCH).answer
        if found.result is not LookupResult.SUCCEEDED:
            return "charged, and not found again", False
        if found.charge_id != charge_id:
            return "charged, and another charge is found", False
    return "two charges, both found", True
