"""Holds a gateway that is not ours to the protocol: its faults must not become ours."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from breakwall.breaker import forking
from breakwall.host.exhaustion import exhausted_resource
from breakwall.log_throttle import LogThrottle
from breakwall.payments.gateways import trusted_answers
from breakwall.payments.gateways.base import (
    ChargeAnswer,
    ChargeRequest,
    Gateway,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.gateways.hints import Hint, HintSignatureError
from breakwall.payments.gateways.protocol_problems import check_protocol

log = logging.getLogger("breakwall.payments")

LATE = 0.5  # Seconds past its deadline after which a call is logged.

Answer = TypeVar("Answer")
Failed = Callable[
    [Health, str, str], Answer
]  # Makes an answer of the service's health, a code and a sentence.


class ForeignGateway:
    """A `Gateway` in front of the one that a plug-in made.

    An exception of `charge` becomes `Outcome.UNKNOWN`, one of `look_up` `LookupResult.UNAVAILABLE`, and so does an
    answer that breaks the protocol. A call whose deadline has passed is not made. In a forked child, the gateway is
    made anew at its first use. Each kind of fault is logged at most once a minute, without the exception's text, which
    may hold anything.

    It cannot end a call that ignores its deadline, because no thread can be stopped. It logs a call that returns late;
    the circuit notices calls that do not return.

    ``make`` makes the gateway again, after a fork; ``profile`` is what is believed of it.
    """

    def __init__(
        self, name: str, gateway: Gateway, make: Callable[[], Gateway], profile: GatewayProfile
    ) -> None:
        self.profile = profile
        self._name, self._make = name, make
        self._gateway: Gateway | None = gateway
        self._checks_access = callable(getattr(gateway, "check_access", None))
        self.reads_hints = callable(getattr(gateway, "read_hint", None))
        self._lock, self._throttle = threading.Lock(), LogThrottle()
        forking.remember(self)

    def __repr__(self) -> str:
        return f"ForeignGateway({self._name!r})"

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        """See `Gateway.charge`."""
        if time.monotonic() >= deadline:
            return _not_sent(Health.NEUTRAL, "deadline", "No time was left for the call; nothing was sent.")
        answer = self._call(
            "charge", (request,), deadline, trusted_answers.charge_answer, _unknown, _not_sent
        )
        return trusted_answers.without_secrets(answer, request)

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """See `Gateway.look_up`."""
        return self._look("look_up", (idempotency_key,), deadline)

    def check_access(self, *, deadline: float) -> LookupAnswer | None:
        """See `AccessCheckingGateway.check_access`; None: the gateway has no such method."""
        return self._look("check_access", (), deadline) if self._checks_access else None

    def read_hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """See `HintReadingGateway.read_hint`; only if it ``reads_hints``."""
        try:
            given = self._current().read_hint(headers, body)  # type: ignore[attr-defined]
        except (HintSignatureError, ValueError):
            raise
        except Exception as error:
            self._warn(f"read_hint raised {type(error).__name__}{_place(error)}")
            raise ValueError(f"the gateway {self._name} could not read the message") from None
        if not isinstance(given, Hint):
            self._warn(f"read_hint gave no Hint ({type(given).__name__})")
            raise ValueError(f"the gateway {self._name} could not read the message")  # noqa: TRY004 - the message's
        return given

    def close(self) -> None:
        """See `Gateway.close`. Raises nothing."""
        forking.notice()
        try:
            if self._gateway is not None:
                self._gateway.close()
        except Exception as error:
            self._warn(f"close raised {type(error).__name__}{_place(error)}")

    def after_fork(self) -> None:
        """In a forked child: the parent's gateway shares its sockets, and its locks may stay locked for ever."""
        self._gateway = None
        self._lock, self._throttle = threading.Lock(), LogThrottle()

    def _look(
        self,
        method: str,
        arguments: tuple[object, ...],
        deadline: float,
        request: ChargeRequest | None = None,
    ) -> LookupAnswer:
        if time.monotonic() >= deadline:
            return _unavailable(Health.NEUTRAL, "deadline", "No time was left for the call.")
        answer = self._call(method, arguments, deadline, trusted_answers.lookup_answer, _unavailable)
        return trusted_answers.without_secrets(answer, request)

    def _call(
        self,
        method: str,
        arguments: tuple[object, ...],
        deadline: float,
        check: Callable[[Any], Answer | None],
        failed: Failed[Answer],
        unsent: Failed[Answer] | None = None,
    ) -> Answer:
        """The method's answer; one of ``failed`` if it raises, or if its answer does not pass the ``check``.

        ``unsent`` makes the answer if the gateway is not there, by default also ``failed``.
        """
        try:
            gateway = self._current()
        except Exception as error:
            return self._not_made(error, unsent or failed)
        try:
            given = getattr(gateway, method)(*arguments, deadline=deadline)
        # Also GreenletExit, CancelledError and gevent's Timeout, which are no `Exception`.
        except BaseException as error:
            if _is_for_this_process(error):
                raise
            given = error
        self._warn_if_late(method, deadline)
        if isinstance(given, BaseException):
            return self._raised(method, given, failed)
        answer = check(given)
        if answer is None:
            self._warn(f"{method} gave an answer that breaks the protocol ({type(given).__name__})")
            text = f"The gateway {self._name} gave an answer that cannot be used."
            return failed(Health.FAILURE, "bad_answer", text)
        return answer

    def _current(self) -> Gateway:
        forking.notice()
        if self._gateway is None:
            with self._lock:
                if self._gateway is None:
                    self._gateway = self._make()
        return self._gateway

    def _not_made(self, error: Exception, failed: Failed[Answer]) -> Answer:
        kind = type(error).__name__
        self._warn(f"it could not be made again after a fork: {kind}{_place(error)}")
        return failed(
            Health.NEUTRAL, kind, f"The gateway {self._name} could not be made after a fork ({kind})."
        )

    def _raised(self, method: str, error: BaseException, failed: Failed[Answer]) -> Answer:
        kind = type(error).__name__
        self._warn(f"{method} raised {kind}{_place(error)}")
        health = Health.NEUTRAL if exhausted_resource(error) else Health.FAILURE
        return failed(health, kind, f"The gateway {self._name} raised {kind}.")

    def _warn_if_late(self, method: str, deadline: float) -> None:
        late = time.monotonic() - deadline
        if late > LATE:
            self._warn(f"{method} returned after its deadline", f", {late:.1f} s late")

    def _warn(self, what: str, more: str = "") -> None:
        if number := self._throttle.admit(what):
            times = "" if number == 1 else f" ({number:,} times since the last such line)"
            log.warning(
                "the gateway %s breaks its protocol: %s%s%s; docs/gateways.md has a test suite for it",
                *(self._name, what, more, times),
            )


class _Preparing(ForeignGateway):
    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        """See `PreparingGateway.prepare`."""
        if time.monotonic() >= deadline:
            return _not_sent(Health.NEUTRAL, "deadline", "No time was left for the call; nothing was sent.")
        failed = cast("Failed[Prepared | ChargeAnswer]", _not_prepared)
        answer = self._call("prepare", (request,), deadline, trusted_answers.prepared_answer, failed)
        return answer if isinstance(answer, Prepared) else trusted_answers.without_secrets(answer, request)

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        """See `PreparingGateway.look_up_prepared`."""
        return self._look("look_up_prepared", (prepared,), deadline)


class _Cancelling(ForeignGateway):
    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        """See `CancellingGateway.cancel`."""
        return self._look("cancel", (request,), deadline, request)


class _PreparingAndCancelling(_Preparing, _Cancelling):
    pass


_BY_PROFILE = {
    (False, False): ForeignGateway,
    (True, False): _Preparing,
    (False, True): _Cancelling,
    (True, True): _PreparingAndCancelling,
}


def guarded(
    name: str,
    make: Callable[[], Gateway],
    trusted: Callable[[GatewayProfile], GatewayProfile] = lambda profile: profile,
) -> ForeignGateway:
    """What ``make`` makes, held to the protocol. It has the methods that its profile names, and no others.

    ``trusted`` gets the gateway's own profile. Raises `UnusableGatewayError`, and what
    ``make`` raises.
    """
    gateway = make()
    check_protocol(gateway)
    profile = trusted(gateway.profile)
    kind = _BY_PROFILE[profile.prepares, profile.cancels]
    return kind(name, gateway, make, profile)


def _unknown(health: Health, code: str, detail: str) -> ChargeAnswer:
    return ChargeAnswer(Outcome.UNKNOWN, health, code=code, detail=f"{detail} It may have charged.")


def _not_sent(health: Health, code: str, detail: str) -> ChargeAnswer:
    return ChargeAnswer(Outcome.NOT_SENT, health, code=code, detail=detail)


def _not_prepared(health: Health, code: str, detail: str) -> ChargeAnswer:
    return ChargeAnswer(Outcome.FAILED, health, code=code, detail=f"{detail} Nothing was confirmed.")


def _unavailable(health: Health, code: str, detail: str) -> LookupAnswer:
    return LookupAnswer(LookupResult.UNAVAILABLE, health, code=code, detail=detail)


def _is_for_this_process(error: BaseException) -> bool:
    """Whether a signal has raised it, to end this process: signals reach the main thread alone."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and isinstance(error, (KeyboardInterrupt, SystemExit))


def _place(error: BaseException) -> str:
    """The line of code that raised: it helps the gateway's author, and holds no secret as the text may."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return "" if step is None else f" at {Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}"
