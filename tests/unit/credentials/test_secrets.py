"""No part of a token, a header, a key or a proxy's password is shown, however it is written, and whatever fails."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwall.cli.errors import explain
from breakwall.doctor.certificate import certificate
from breakwall.doctor.payment_service import payment_service
from breakwall.payments.gateways import ChargeRequest, gateway_from_settings
from breakwall.payments.gateways.http import HttpGateway
from breakwall.payments.rejections import RejectionLog
from breakwall.settings import Settings, SettingsError, load_settings
from tests.shown_secrets import SECRETS, everything_logged, pieces

ORDER = ChargeRequest("o-1", "u-1", 10_000, "KRW", "cart-17")

USABLE = st.text(st.sampled_from("qzQZ79"), min_size=6)
"""What any of them takes."""

TEXTS = [
    ("TOKEN", "{}"),
    ("HEADERS", '{"X-Api-Key": "{}"}'),
    ("HEADERS", '{"Authorization": "Basic {}"}'),
    ("PROXY", "http://u:{}@127.0.0.1:9"),
]
FILES = [
    ("TOKEN_FILE", "{}"),
    ("HEADERS_FILE", '{"X-Api-Key": "{}"}'),
    ("HEADERS_FILE", "{}"),
    ("PROXY_FILE", "http://u:{}@127.0.0.1:9"),
    ("PROXY_FILE", "{}"),
    ("CA_FILE", "{}"),
    ("CERT_FILE", "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"),
    ("KEY_FILE", "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"),
]


def told_by_failures(chosen: Settings) -> Iterator[str]:
    """What is shown and what a debugger shows, where nothing answers."""
    yield f"{chosen!r} {chosen}"
    with closing(gateway_from_settings(chosen)) as gateway:
        assert isinstance(gateway, HttpGateway)
        deadline = time.monotonic() + 5
        answer = gateway.charge(ORDER, deadline=deadline)
        RejectionLog(time.monotonic).record_answer(answer)
        yield f"{gateway!r} {answer} {gateway.look_up('k', deadline=deadline)}"
        yield f"{gateway._routes!r} {gateway._routes.current()!r} {gateway._token!r} {gateway._more_headers!r}"
        try:
            gateway.get("/", deadline=deadline)
        except Exception:
            yield traceback.format_exc()
    yield f"{payment_service(chosen)} {certificate(chosen)}"


def told(given: dict[str, str]) -> str:
    with everything_logged() as logged:
        try:
            said = " ".join(
                told_by_failures(load_settings({"BREAKWALL_PAYMENT_URL": "http://127.0.0.1:9", **given}))
            )
        except SettingsError as error:
            said = f"{error} {error!r} {explain(error)}"
    return said + logged.getvalue()


@settings(max_examples=15, deadline=None)
@given(secret=SECRETS | USABLE)
@pytest.mark.parametrize(("variable", "template"), TEXTS)
def test_no_part_of_a_variable_is_shown(variable: str, template: str, secret: str) -> None:
    escaped = quote(secret, safe="") if variable == "PROXY" else secret
    seen = told({f"BREAKWALL_PAYMENT_{variable}": template.replace("{}", escaped)})
    assert not [piece for piece in pieces(secret) if piece in seen], seen


@settings(max_examples=15, deadline=None)
@given(secret=SECRETS | USABLE)
@pytest.mark.parametrize(("variable", "template"), FILES)
def test_no_part_of_a_file_is_shown(variable: str, template: str, secret: str) -> None:
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        file = Path(folder) / "f"
        file.write_text(template.replace("{}", secret), encoding="utf-8")
        tls = (
            {"BREAKWALL_PAYMENT_URL": "https://127.0.0.1:9"}
            if variable in {"CA_FILE", "CERT_FILE", "KEY_FILE"}
            else {}
        )
        seen = told({f"BREAKWALL_PAYMENT_{variable}": str(file), **tls}).replace(folder, "")
    assert not [piece for piece in pieces(secret) if piece in seen], seen


@settings(max_examples=15, deadline=None)
@given(secret=SECRETS | USABLE)
@pytest.mark.parametrize(
    ("variable", "before"),
    [("TOKEN_FILE", "t"), ("HEADERS_FILE", "{}"), ("PROXY_FILE", "http://127.0.0.1:9")],
)
def test_no_part_of_a_file_that_changes_is_shown(variable: str, before: str, secret: str) -> None:
    with tempfile.TemporaryDirectory(prefix="b") as folder, everything_logged() as logged:
        file = Path(folder) / "f"
        file.write_text(before)
        chosen = load_settings(
            {"BREAKWALL_PAYMENT_URL": "http://127.0.0.1:9", f"BREAKWALL_PAYMENT_{variable}": str(file)}
        )
        with closing(gateway_from_settings(chosen)) as gateway:
            file.write_text(secret, encoding="utf-8")
            answer = gateway.charge(ORDER, deadline=time.monotonic() + 5)
            seen = f"{answer} {payment_service(chosen)}{logged.getvalue()}".replace(folder, "")
    assert not [piece for piece in pieces(secret) if piece in seen], seen
