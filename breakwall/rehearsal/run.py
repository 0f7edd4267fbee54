"""Asks one question after the other, and stops where there is nothing more to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from breakwall.rehearsal.advice import Advised, settings_to_use
from breakwall.rehearsal.charges import MadeCharge
from breakwall.rehearsal.cuts import CUT_ANSWER, CUT_REQUEST
from breakwall.rehearsal.measurements import Measurement, Verdict, not_asked
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.questions import Question
from breakwall.rehearsal.refusals import explained
from breakwall.rehearsal.requests import Requests, Terms
from breakwall.rehearsal.route import open_route
from breakwall.rehearsal.sandbox import LimitReachedError, NoChargeError, RehearsalLimits, Sandbox
from breakwall.settings import Settings

# The questions without which PAYMENT_DEDUPLICATES=true is never advised.
NEEDED = frozenset({"repeat", "at-once", "cut"})
ADVICE = "Check --payment-method, --currency and --amount; `breakwall doctor` checks the rest."


@dataclass
class Rehearsal:
    """What was measured so far.

    Attributes:
        on_question: called with the name of each question before it is asked.
        refusal: a sentence if the sandbox did not make the first charge.
        stopped: by Ctrl-C, or by an error.
        left_out: questions that were not to be asked, and why.
    """

    sandbox: Sandbox
    promises: Promises
    questions: Sequence[Question]
    on_question: Callable[[str], None] = lambda name: None
    measurements: list[Measurement] = field(default_factory=list)
    refusal: str | None = None
    stopped: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    @property
    def ok(self) -> bool:
        """Whether everything was asked, and nothing promises more than was seen."""
        return not (self.refusal or self.stopped or any(one.verdict.fails for one in self.measurements))

    @property
    def charges(self) -> list[MadeCharge]:
        return self.sandbox.charges.all()

    @property
    def advised(self) -> list[Advised]:
        return settings_to_use(
            self.measurements, self.promises, self.sandbox.slowest_find, complete=self._is_complete
        )

    @property
    def _is_complete(self) -> bool:
        shown = {one.question for one in self.measurements if one.shown}
        needed = {CUT_ANSWER, CUT_REQUEST} if self.sandbox.can_read else {CUT_ANSWER}
        return shown >= needed and self._asked >= NEEDED

    def run(self) -> None:
        """Ask all questions. Ctrl-C ends it, and so does an error, which is raised; what was charged stays."""
        try:
            for question in self.questions:
                self.on_question(question.name)
                self._ask(question)
                if self.refusal:
                    break
        except KeyboardInterrupt:
            self.stopped = True
        except BaseException:
            self.stopped = True
            raise
        finally:
            self.measurements += [not_asked(name, why, "") for name, why in self.left_out.items()]

    def _ask(self, question: Question) -> None:
        try:
            for measurement in question.ask(self.sandbox, self.promises):
                self.measurements.append(measurement)
            self._asked.add(question.name)  # Only now: to its end.
        except LimitReachedError as error:
            self._not_shown(question, f"not asked to its end: {error}")
        except NoChargeError as error:
            self._no_charge(question, error)

    def _no_charge(self, question: Question, error: NoChargeError) -> None:
        answer = error.answer
        if not self.sandbox.has_charged:
            named = f"{explained(answer)}. {answer.detail}".rstrip()
            self.refusal = f"The sandbox does not charge: {named} {ADVICE}"
            return
        self._not_shown(question, f"a charge failed ({error})")

    def _not_shown(self, question: Question, seen: str) -> None:
        verdict = Verdict.NOT_SHOWN if question.relies(self.promises) else Verdict.NOT_ASKED
        self.measurements.append(Measurement(question.name, seen, "", verdict))


@contextmanager
def open_rehearsal(
    settings: Settings,
    terms: Terms,
    limits: RehearsalLimits,
    promises: Promises,
    questions: Sequence[Question],
    on_question: Callable[[str], None] = lambda name: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Rehearsal]:
    """A rehearsal with the configured gateway; clock and sleep as in `Sandbox`. Raises as `open_route`."""
    requests = Requests(terms, caller_keys=promises.sends_caller_keys)
    with open_route(settings, requests.new().idempotency_key) as route:
        sandbox = Sandbox(
            route.gateway,
            requests,
            limits,
            proxy=route.proxy,
            clock=clock,
            sleep=sleep,
        )
        yield Rehearsal(sandbox, promises, questions, on_question)
