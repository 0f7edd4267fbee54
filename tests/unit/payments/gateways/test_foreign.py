"""The faults of a gateway that is not ours."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways import (
    CancellingGateway,
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupResult,
    Outcome,
    Prepared,
    PreparingGateway,
)
from breakwall.payments.gateways.foreign import ForeignGateway, guarded
from breakwall.payments.gateways.hints import Hint, HintSignatureError
from tests.unit.payments.gateways.plain_gateway import (
    FOUND,
    PAID,
    PROFILE,
    PlainGateway,
    PreparingAndCancelling,
)

SECRET = "sk_live_s3cret"
REQUEST = ChargeRequest("o-1", "u-1", 10_000, "KRW", "key-1", payment_method="pm_s3cret")
BOTH = replace(PROFILE, prepares=True, cancels=True)


class TimedOut(BaseException):
    """As gevent's Timeout is no Exception."""


FAULTS = [
    RuntimeError(SECRET),
    asyncio.CancelledError(),
    TimedOut(SECRET),
    GeneratorExit(),
]


def soon() -> float:
    return time.monotonic() + 5


def raising(error: BaseException) -> Callable[..., Any]:
    def raise_it(method: str, argument: object) -> Any:
        raise error

    return raise_it


def over(plain: PlainGateway) -> ForeignGateway:
    return guarded("acme", lambda: plain)


def test_good_answers_pass_as_they_are() -> None:
    plain = PlainGateway()
    gateway = over(plain)
    assert gateway.charge(REQUEST, deadline=soon()) is PAID
    assert gateway.look_up("key-1", deadline=soon()) is FOUND
    assert gateway.profile is PROFILE


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
class TestAGatewayThatRaises:
    def test_may_have_charged(self, error: BaseException) -> None:
        seen = over(PlainGateway(raising(error))).charge(REQUEST, deadline=soon())
        assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)
        assert seen.code == type(error).__name__

    def test_has_found_nothing(self, error: BaseException) -> None:
        gateway = over(PreparingAndCancelling(raising(error), BOTH))
        for seen in (
            gateway.look_up("key-1", deadline=soon()),
            gateway.look_up_prepared("pi_1", deadline=soon()),  # type: ignore[attr-defined]
            gateway.cancel(REQUEST, deadline=soon()),  # type: ignore[attr-defined]
        ):
            assert seen.result is LookupResult.UNAVAILABLE

    def test_has_charged_nothing_by_preparing(self, error: BaseException) -> None:
        gateway = over(PreparingAndCancelling(raising(error), BOTH))
        seen = gateway.prepare(REQUEST, deadline=soon())  # type: ignore[attr-defined]
        assert seen.outcome is Outcome.FAILED
        assert seen.outcome.proves_no_charge

    def test_is_logged_once_without_the_text_of_the_error(
        self, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        gateway = over(PlainGateway(raising(error)))
        shown = [repr(gateway.charge(REQUEST, deadline=soon())) for _ in range(3)]
        (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert (
            f"the gateway acme breaks its protocol: charge raised {type(error).__name__} at test_foreign"
            in line
        )
        assert not any(secret in "".join([line, *shown]) for secret in (SECRET, "pm_s3cret"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0)])
def test_a_signal_that_ends_the_process_is_not_held_back(error: BaseException) -> None:
    with pytest.raises(type(error)):
        over(PlainGateway(raising(error))).charge(REQUEST, deadline=soon())


def test_a_gateway_that_ends_its_thread_ends_nothing_of_ours() -> None:
    seen: list[ChargeAnswer] = []
    gateway = over(PlainGateway(raising(SystemExit(1))))
    thread = threading.Thread(target=lambda: seen.append(gateway.charge(REQUEST, deadline=soon())))
    thread.start()
    thread.join()
    assert [answer.outcome for answer in seen] == [Outcome.UNKNOWN]


def test_a_full_machine_says_nothing_about_the_service() -> None:
    gateway = over(PlainGateway(raising(OSError(24, "too many open files"))))
    assert gateway.charge(REQUEST, deadline=soon()).health is Health.NEUTRAL


@pytest.mark.parametrize("answer", [None, "paid", {"status": "succeeded"}, replace(PAID, charge_id=None)])
def test_an_answer_that_is_none_may_have_charged(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    gateway = over(PlainGateway(lambda method, argument: answer))
    assert gateway.charge(REQUEST, deadline=soon()).outcome is Outcome.UNKNOWN
    assert gateway.look_up("key-1", deadline=soon()).result is LookupResult.UNAVAILABLE
    assert "gave an answer that breaks the protocol" in caplog.text


def test_after_the_deadline_it_is_not_called() -> None:
    plain = PreparingAndCancelling(profile=BOTH)
    gateway: Any = over(plain)
    assert gateway.charge(REQUEST, deadline=time.monotonic()).outcome is Outcome.NOT_SENT
    assert gateway.prepare(REQUEST, deadline=0.0).outcome is Outcome.NOT_SENT
    for seen in (
        gateway.look_up("key-1", deadline=0.0),
        gateway.look_up_prepared("pi_1", deadline=0.0),
        gateway.cancel(REQUEST, deadline=0.0),
    ):
        assert seen.result is LookupResult.UNAVAILABLE
    assert plain.calls == []


def test_a_call_that_returns_long_after_its_deadline_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moments = iter([0.0, 17.0, 17.0])
    gateway = over(PlainGateway())
    monkeypatch.setattr("breakwall.payments.gateways.foreign.time.monotonic", lambda: next(moments, 17.0))
    assert gateway.charge(REQUEST, deadline=10.0) is PAID
    assert "charge returned after its deadline, 7.0 s late" in caplog.text


@pytest.mark.parametrize("prepares", [False, True])
@pytest.mark.parametrize("cancels", [False, True])
def test_it_has_the_methods_that_its_profile_names(prepares: bool, cancels: bool) -> None:
    profile = replace(PROFILE, prepares=prepares, cancels=cancels)
    gateway = over(PreparingAndCancelling(profile=profile))
    assert isinstance(gateway, PreparingGateway) == prepares
    assert isinstance(gateway, CancellingGateway) == cancels


def test_a_test_of_the_access_is_optional_and_held_to_the_protocol() -> None:
    assert over(PlainGateway()).check_access(deadline=soon()) is None
    for given, seen in [(FOUND, LookupResult.SUCCEEDED), ("yes", LookupResult.UNAVAILABLE)]:
        plain = PlainGateway()
        plain.check_access = lambda *, deadline, given=given: given  # type: ignore[attr-defined]
        answer = over(plain).check_access(deadline=soon())
        assert answer is not None
        assert answer.result is seen


def test_a_prepared_charge_passes() -> None:
    gateway: Any = over(PreparingAndCancelling(lambda method, argument: Prepared("pi_1"), BOTH))
    assert gateway.prepare(REQUEST, deadline=soon()) == Prepared("pi_1")


def test_close_raises_nothing() -> None:
    plain = PlainGateway()
    gateway = over(plain)
    gateway.close()
    gateway.close()
    assert plain.closed == 2
    plain.close = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    gateway.close()


def test_its_repr_shows_nothing_of_the_gateway() -> None:
    plain = PlainGateway()
    plain.key = SECRET  # type: ignore[attr-defined]
    assert repr(over(plain)) == "ForeignGateway('acme')"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_makes_its_own_gateway() -> None:
    made: list[int] = []

    def make() -> PlainGateway:
        made.append(os.getpid())
        return PlainGateway()

    gateway = guarded("acme", make)
    child = os.fork()
    if child == 0:
        paid = gateway.charge(REQUEST, deadline=soon()) is not None
        os._exit(0 if paid and made == [os.getppid(), os.getpid()] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gateway.charge(REQUEST, deadline=soon()) is PAID
    assert made == [os.getpid()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_cannot_make_its_gateway_has_sent_nothing() -> None:
    made: list[PlainGateway] = []

    def make() -> PlainGateway:
        if made:
            raise RuntimeError(SECRET)
        made.append(PlainGateway())
        return made[0]

    gateway = guarded("acme", make)
    gateway.after_fork()
    seen = gateway.charge(REQUEST, deadline=soon())
    assert seen.outcome is Outcome.NOT_SENT
    assert SECRET not in repr(seen)


class TestItsHints:
    def given(self, read: Any) -> Hint:
        plain = PlainGateway()
        plain.read_hint = read  # type: ignore[attr-defined]
        return over(plain).read_hint({}, b"{}")

    def test_pass(self) -> None:
        assert self.given(lambda headers, body: Hint("o1", verified=True)) == Hint("o1", verified=True)

    @pytest.mark.parametrize("error", [HintSignatureError("no"), ValueError("no")])
    def test_are_refused_as_it_refuses_them(self, error: Exception) -> None:
        def refuse(headers: object, body: object) -> Hint:
            raise error

        with pytest.raises(type(error), match="no"):
            self.given(refuse)

    @pytest.mark.parametrize("fault", [lambda headers, body: 1 / 0, lambda headers, body: SECRET])
    def test_cannot_be_read_if_it_fails_and_its_fault_is_logged_without_secrets(
        self, fault: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(ValueError, match="could not read the message"):
            self.given(fault)
        assert "read_hint" in caplog.text
        assert SECRET not in caplog.text
