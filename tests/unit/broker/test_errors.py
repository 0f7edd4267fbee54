"""The meaning of a broker's errors; `tests/integration/broker` has real ones."""

from __future__ import annotations

import pytest
from redis.exceptions import ClusterCrossSlotError, OutOfMemoryError, ReadOnlyError, ResponseError

from breakwall.broker.errors import WrongQueueError, explain, explain_wrong_queue, refusal

SECRET = "redis://user:geheim@broker"


def caused_by(cause: Exception) -> Exception:
    outer = ConnectionError(SECRET)
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (WrongQueueError("as it was explained"), "as it was explained"),
        (ResponseError("WRONGTYPE Operation against a key"), "a key of another type"),
        (ValueError("inequivalent arg 'x-queue-type' for queue 'payments.retry'"), "a queue payments.retry"),
        (ValueError("inequivalent arg 'type' for exchange 'payments.retry'"), "an exchange payments.retry"),
    ],
)
def test_a_wrong_queue_is_explained_also_as_a_cause(error: Exception, words: str) -> None:
    assert words in str(explain_wrong_queue(error))
    assert explain_wrong_queue(caused_by(error)) == explain_wrong_queue(error)


@pytest.mark.parametrize("error", [None, ConnectionError(SECRET)])
def test_no_other_error_is_explained_as_that(error: Exception | None) -> None:
    assert explain_wrong_queue(error) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ClusterCrossSlotError("Keys in request don't hash to the same slot"), "a Redis Cluster"),
        (OutOfMemoryError("command not allowed"), "its memory is full (OOM)"),
        (ResponseError("NOREPLICAS Not enough good replicas"), "NOREPLICAS"),
        (ResponseError(SECRET), "ResponseError"),
    ],
)
def test_a_refusal_says_why_and_what_to_do_and_holds_no_secret(error: Exception, words: str) -> None:
    found = refusal(error)
    assert words in str(found)
    assert found.advice.endswith("until then orders wait safely.")
    assert "geheim" not in f"{found} {found.advice}"


def test_a_replica_that_sentinels_name_as_the_master_is_explained() -> None:
    lost = ConnectionError("the connection was lost")
    lost.__context__ = ReadOnlyError("READONLY")
    assert "the sentinels name a master that is a replica" in str(refusal(lost))


def test_a_failed_publish_is_explained_by_its_cause() -> None:
    assert explain(caused_by(OutOfMemoryError("x"))) == "its memory is full (OOM)"
    assert explain(ConnectionError(SECRET)) == "ConnectionError"
