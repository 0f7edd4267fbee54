"""When a refusal of our certificate proves that nothing was read: within the handshake of TLS 1.3 only."""

from __future__ import annotations

import ssl
import time
from types import SimpleNamespace
from typing import Any

import pytest

from breakwall.payments.gateways.transport import deadline
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream
from breakwall.payments.gateways.transport.errors import (
    CertificateRefusedError,
    Phase,
    ReadError,
    WriteError,
)


def alert(reason: str = "TLSV1_ALERT_UNKNOWN_CA") -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


class ScriptedTls(ssl.SSLSocket):
    """A connection over TLS on which one thing after another arrives."""

    def __init__(self, version: str, *arrivals: bytes | OSError, late_authentication: bool = False) -> None:
        self._version, self._arrivals = version, list(arrivals)
        self._late_authentication = late_authentication

    def version(self) -> str:
        return self._version

    @property
    def context(self) -> Any:
        return SimpleNamespace(post_handshake_auth=self._late_authentication)

    def settimeout(self, value: float | None) -> None: ...

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        arrived = self._arrivals.pop(0)
        if isinstance(arrived, OSError):
            raise arrived
        return arrived

    def send(self, data: Any, flags: int = 0) -> int:
        raise ssl.SSLEOFError(8, "EOF occurred in violation of protocol")

    def __del__(self) -> None: ...


def refused(sock: ScriptedTls, reads: int) -> CertificateRefusedError:
    stream, call = DeadlineStream(sock), Call(time.monotonic() + 60)
    for _ in range(reads - 1):
        stream.read(call)
    with pytest.raises(CertificateRefusedError) as seen:
        stream.read(call)
    return seen.value


def test_a_refusal_before_anything_else_arrives_is_a_proof_in_tls_1_3() -> None:
    assert refused(ScriptedTls("TLSv1.3", alert()), reads=1).unread


def test_tls_1_2_may_shake_hands_again_after_the_request_was_read() -> None:
    assert not refused(ScriptedTls("TLSv1.2", alert()), reads=1).unread


def test_after_an_answer_a_refusal_proves_nothing() -> None:
    assert not refused(ScriptedTls("TLSv1.3", b"HTTP/1.1 200 OK\r\n", alert()), reads=2).unread


def test_where_the_service_may_ask_for_a_certificate_later_a_refusal_proves_nothing() -> None:
    assert not refused(ScriptedTls("TLSv1.3", alert(), late_authentication=True), reads=1).unread


@pytest.mark.parametrize(
    ("arrival", "kind"),
    [(alert(), CertificateRefusedError), (ssl.SSLWantReadError(), WriteError), (b"", WriteError)],
)
def test_a_send_that_fails_is_explained_by_the_alert_that_has_arrived(
    monkeypatch: pytest.MonkeyPatch, arrival: bytes | OSError, kind: type[Exception]
) -> None:
    monkeypatch.setattr(deadline, "has_unsolicited_data", lambda sock: False)
    monkeypatch.setattr(deadline, "discard_on_close", lambda sock, seconds: None)
    call = Call(time.monotonic() + 60)
    with pytest.raises(kind) as seen:
        DeadlineStream(ScriptedTls("TLSv1.3", arrival)).write(b"POST", call)
    assert call.phase is Phase.SENT
    assert getattr(seen.value, "unread", False) == (kind is CertificateRefusedError)


def test_any_other_alert_is_an_error_like_any() -> None:
    stream = DeadlineStream(ScriptedTls("TLSv1.3", alert("TLSV1_ALERT_INTERNAL_ERROR")))
    with pytest.raises(ReadError):
        stream.read(Call(time.monotonic() + 60))
