"""What the check of the queue's names reports."""

from __future__ import annotations

import pytest

from breakwall.broker.checks.run import check_queue
from breakwall.broker.errors import WrongQueueError
from tests.integration.publish_fixtures import settings_for

NO_LOSS = "nothing is lost by that: the database has every order"


def told_by_check(url: str) -> str:
    with pytest.raises(WrongQueueError) as told:
        check_queue(settings_for(url))
    return str(told.value)
