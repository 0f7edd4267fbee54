"""What a retry would do, in words."""

from __future__ import annotations

import pytest

from breakwall.cli.orders.retry_text import Rules, preview_fields, retried_sentence
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.operator.bulk_retry import Preview
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy

RULES = Rules(
    GatewayProfile(deduplicates=False, key_life=0.0, looks_up=True, absent_after=30.0),
    RetryPolicy(1.0, 60.0, 7),
    lease=15.0,
)
PREVIEW = Preview(1200, 3, 40, {OrderStatus.REVIEW: 2}, to_be_resolved=1)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("eligible", "1,200 orders"),
        ("looked up first", "3 of them, because they may have been charged"),
        ("skipped", "2 review (not asked for)"),
        (
            "to be resolved",
            "1, because the service knows their key from another payload, and only `orders resolve` ends that",
        ),
        ("budget", "a whole new budget of 7 attempts each; retry_count goes on counting"),
        ("limit", "the oldest 500 would be retried"),
    ],
)
def test_each_number_has_its_words(field: str, text: str) -> None:
    assert preview_fields(PREVIEW, RULES, 500)[field] == text


def test_without_a_limit_none_is_shown() -> None:
    assert "limit" not in preview_fields(PREVIEW, RULES, None)


def test_one_retried_order_is_one() -> None:
    assert retried_sentence(1, RULES).startswith(
        "1 order was retried and is due now. Each has a whole new budget"
    )
    assert retried_sentence(2, RULES).startswith("2 orders were retried and are due now.")
