"""What `breakwall orders retry` says: the numbers of a dry run, and only what is true of a retried order."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from breakwall.cli.orders.retry_text import (
    Rules,
    during_a_pause,
    outlook_of_unresolved,
    preview_fields,
    retried_sentence,
    write_preview,
)
from breakwall.payments.decisions import Progress, Step
from breakwall.payments.fleet.drain_control import DrainState, Pause
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.operator.bulk_retry.preview import Preview
from breakwall.payments.operator.outlook import outlook
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.terminal.options import Format

PLAIN = GatewayProfile(deduplicates=False, key_life=0.0, looks_up=True, absent_after=30.0)
RULES = Rules(PLAIN, RetryPolicy(1.0, 60.0, 7), lease=15.0, gateway="default")
PREVIEW = Preview(1200, 3, 40, {OrderStatus.REVIEW: 2}, to_be_resolved=1)
KEPT = "keeps its key"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("eligible", "1,200 orders"),
        ("looked up first", "3 of them, because they may have been charged"),
        ("skipped", "2 review (not selected)"),
        (
            "to be resolved",
            "1, because the service knows their key from another payload, and only `orders resolve` can finish them",
        ),
        ("budget", "a whole new budget of 7 attempts each; retry_count continues"),
        ("limit", "the oldest 500 would be retried"),
    ],
)
def test_each_number_has_its_words(field: str, text: str) -> None:
    assert preview_fields(PREVIEW, RULES, 500)[field] == text


def test_without_a_limit_none_is_shown() -> None:
    assert "limit" not in preview_fields(PREVIEW, RULES, None)


@pytest.mark.parametrize(
    ("number", "start"),
    [(1, "1 order was retried and is due now."), (2, "2 orders were retried and are due now.")],
)
def test_one_retried_order_is_one(number: int, start: str) -> None:
    assert retried_sentence(number, RULES).startswith(f"{start} Each has a whole new budget")


@pytest.mark.parametrize(
    ("step", "changes", "stated", "not_stated"),
    [
        (Step.REVIEW, {}, "nothing is sent", KEPT),
        (Step.CANCEL, {}, "sends nothing", KEPT),
        (Step.DECLINE, {}, "sends nothing", KEPT),
        (Step.LOOK_UP, {}, KEPT, "new key"),
        (Step.LOOK_UP, {"rotated": True}, "has a new key", KEPT),
        (Step.SEND, {}, KEPT, "new key"),
        (Step.SEND, {}, "none of its attempts is unresolved", "may have been charged"),
        (Step.SEND, {"progress": Progress(unresolved=True)}, "may have been charged", "is unresolved"),
        (Step.SEND, {"rotated": True}, "under a new key", KEPT),
        (Step.SEND, {"rotated": True, "vouched_for": True}, "you stated that nothing was charged", KEPT),
    ],
)
def test_of_one_order_only_what_is_true_is_stated(
    step: Step, changes: dict[str, object], stated: str, not_stated: str
) -> None:
    known = {"progress": Progress(), "rotated": False, "vouched_for": False} | changes
    shown = outlook(step, **known).sentence  # type: ignore[arg-type]  # a table of keywords
    assert stated in shown
    assert not_stated not in shown


def test_of_many_orders_only_what_the_service_promises_is_stated() -> None:
    assert outlook_of_unresolved(PLAIN) == "is looked up before anything is sent"
    assert "promises not to charge twice" in outlook_of_unresolved(replace(PLAIN, deduplicates=True))
    assert "looked up" not in outlook_of_unresolved(replace(PLAIN, looks_up=False))


PAUSED = DrainState(Pause("alice", "maintenance", datetime(2026, 11, 28, 12, tzinfo=UTC)))


def test_a_pause_is_named_with_what_it_means_for_the_retried_orders() -> None:
    pause = "The queue is paused by alice since 2026-11-28 12:00:00 UTC: maintenance."
    named = during_a_pause(PAUSED, released=True)
    assert named == [
        pause,
        "What is named here is released, and worked on nevertheless; no other order is.",
    ]
    (told, wait) = during_a_pause(PAUSED, released=False)
    assert (told, wait[:36]) == (pause, "They wait until `breakwall queue res")


@pytest.mark.parametrize("released", [False, True])
def test_without_a_pause_nothing_is_said_of_it(released: bool) -> None:
    assert during_a_pause(DrainState(), released=released) == []


def test_what_was_too_much_to_count_is_said_to_be_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    uncounted = Preview(12, None, None, None, to_be_resolved=None)
    fields = preview_fields(uncounted, RULES, limit=None)
    assert fields["eligible"] == "12 orders"
    for name in ("looked up first", "already paid", "skipped", "to be resolved"):
        assert "not counted" in fields[name]
    write_preview(uncounted, RULES, Format.JSON)
    document = json.loads(capsys.readouterr().out)
    assert (document["eligible"], document["already_paid"], document["skipped"]) == (12, None, None)
