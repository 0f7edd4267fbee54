"""What an answer to a webhook means."""

from __future__ import annotations

import time

import pytest

from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.webhook import SLOW_DOWN, WebhookDestination, classify
from tests.unit.payments.outcomes.test_event import EVENT

NOW = 1_800_000_000.0


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_is_success(status: int) -> None:
    assert classify(status, {}, now=NOW) is DELIVERED


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure(status: int) -> None:
    assert classify(status, {"location": "https://x"}, now=NOW).error == (
        f"HTTP {status} (a redirect, which is not followed)"
    )


@pytest.mark.parametrize("status", [404, 422, 500, 503])
def test_another_answer_is_a_failure(status: int) -> None:
    assert classify(status, {}, now=NOW) == Result(f"HTTP {status}")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_answer_to_a_wrong_signature_asks_for_the_secret(status: int) -> None:
    error = classify(status, {}, now=NOW).error or ""
    assert error.startswith(f"HTTP {status}: does the shop verify with this secret")


def test_an_endpoint_that_nothing_listens_on_is_named_in_words() -> None:
    closed = WebhookDestination("http://127.0.0.1:9/", lambda: [b"k" * 24], allow_private=True)
    result = closed.deliver(EVENT, deadline=time.monotonic() + 60)
    assert result.error == "nothing listens on its port"


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_endpoint_is_left_alone_for_a_while(status: int) -> None:
    assert classify(status, {}, now=NOW).retry_after == SLOW_DOWN


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_counts(status: int) -> None:
    assert classify(status, {"retry-after": "90"}, now=NOW).retry_after == 90


def test_410_says_that_the_endpoint_is_gone() -> None:
    assert classify(410, {}, now=NOW).gone


def test_its_repr_holds_no_part_of_the_url() -> None:
    shown = repr(
        WebhookDestination(
            "http://user:password@shop.example/hook?token=1", lambda: [b"k" * 24], allow_private=True
        )
    )
    assert shown == "WebhookDestination()"


def test_another_url_is_another_endpoint_but_another_password_is_not() -> None:
    one, other, moved = (
        WebhookDestination(url, lambda: [b"k" * 24], allow_private=True).endpoint
        for url in ("http://u:1@shop.example/a", "http://u:2@shop.example/a", "http://shop.example/b")
    )
    assert one == other != moved
