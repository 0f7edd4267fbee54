"""What services' words mean for the customer's money."""

from __future__ import annotations

import pytest

from breakwall.payments.reconciliation.charge_status import Meaning, decisive, meaning_of, normalized


@pytest.mark.parametrize(
    ("meaning", "statuses"),
    [
        (Meaning.CHARGED, "succeeded Paid captured Settled SettledBulk Completed T0006 charge payment S"),
        (Meaning.NOT_CHARGED, "declined Failed refused canceled Cancelled Expired processing Denied"),
        (Meaning.REFUNDED, "Refunded refund RefundedBulk Reversed T1107"),
        (Meaning.NO_CHARGE, "pending disputed Chargeback Fee payout Total uncaptured perhaps T0400"),
    ],
)
def test_a_status_means_what_its_service_means(meaning: Meaning, statuses: str) -> None:
    assert {status: meaning_of(status) for status in statuses.split()} == dict.fromkeys(
        statuses.split(), meaning
    )


@pytest.mark.parametrize(
    ("statuses", "decides"),
    [
        (["Express Checkout Payment", "Completed"], "Express Checkout Payment"),
        (["Express Checkout Payment", "Pending"], "Pending"),
        (["Payment Refund", "Completed"], "Payment Refund"),
        (["General Withdrawal", "Completed"], "General Withdrawal"),
        (["Payment", "Denied"], "Denied"),
        ([], ""),
    ],
)
def test_of_several_statuses_the_one_that_claims_least_decides(statuses: list[str], decides: str) -> None:
    assert decisive(statuses) == decides


@pytest.mark.parametrize("status", ["SettledBulk", "settled_bulk", " SETTLED  bulk", "settled-bulk"])
def test_writers_differ_in_case_spaces_and_dashes(status: str) -> None:
    assert normalized(status) == "settled bulk"
