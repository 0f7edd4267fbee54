"""All questions, in the order in which they are asked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from breakwall.rehearsal.cuts import ask_after_cuts, ask_for_a_late_arrival, ask_for_repeats
from breakwall.rehearsal.key_shapes import CHARGES, ask_for_key_shapes, ask_whether_keys_are_apart
from breakwall.rehearsal.lookups import ask_for_a_charge, ask_for_an_unknown_key
from breakwall.rehearsal.measurements import Measurement
from breakwall.rehearsal.preparing import ask_about_preparing
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.refusals import ask_for_a_decline, ask_too_often
from breakwall.rehearsal.repeats import AT_ONCE, ask_about_time, ask_again, ask_another_amount, ask_at_once
from breakwall.rehearsal.sandbox import Sandbox

Ask = Callable[[Sandbox, Promises], Iterator[Measurement]]


@dataclass(frozen=True, slots=True)
class Question:
    """One topic.

    Attributes:
        name: for ``--skip``.
        charges: how many it makes at most, on a service that charges for each request.
        relies: whether the settings rely on the answer.
    """

    name: str
    charges: int
    ask: Ask
    relies: Callable[[Promises], bool] = lambda promises: False


NAMES = (
    "unknown",
    "repeat",
    "lookup",
    "at-once",
    "cut",
    "late",
    "resend",
    "amount",
    "keys",
    "declined",
    "prepare",
)


def questions_for(promises: Promises, *, skip: Sequence[str] = (), burst: int = 0) -> list[Question]:
    """The questions for a gateway, but for those in ``skip``; ``burst``: how many calls are too many, 0: not asked."""
    prepares, cancels = promises.profile.prepares, promises.profile.cancels
    asked = [
        Question("unknown", 0, ask_for_an_unknown_key, _looks_up),
        Question("repeat", 4 if prepares else 2, ask_again, _deduplicates),
        Question("lookup", 1, ask_for_a_charge, _looks_up),
        Question("at-once", AT_ONCE + 1, ask_at_once, _deduplicates),
        Question("cut", 4, ask_after_cuts, _deduplicates),
        Question("late", 2, ask_for_a_late_arrival, _deduplicates),
        Question("resend", 2, ask_for_repeats, _deduplicates),
        Question("amount", 2, ask_another_amount, _deduplicates),
        Question("keys", CHARGES, ask_for_key_shapes, lambda promises: promises.sends_caller_keys),
        Question("declined", 2, ask_for_a_decline),
    ]
    if prepares or cancels:
        asked.append(Question("prepare", 3 if cancels else 0, ask_about_preparing, lambda promises: True))
    if burst:
        ask = partial(_burst, burst)
        asked.append(Question("burst", burst, ask))
    asked += [Question("apart", 0, ask_whether_keys_are_apart), Question("time", 0, ask_about_time)]
    return [question for question in asked if question.name not in skip]


def left_out(skip: Sequence[str], burst: int) -> dict[str, str]:
    """The names of the questions that are not to be asked, and why."""
    return dict.fromkeys(skip, "--skip") | ({} if burst else {"burst": "--burst says how many calls"})


def _burst(calls: int, sandbox: Sandbox, promises: Promises) -> Iterator[Measurement]:
    return ask_too_often(sandbox, calls)


def _deduplicates(promises: Promises) -> bool:
    return promises.profile.deduplicates or promises.profile.prepares


def _looks_up(promises: Promises) -> bool:
    return promises.profile.finds_charges
