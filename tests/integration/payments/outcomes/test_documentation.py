"""docs/outcomes.md is true: its sample verifies what the worker sends, and takes an event once."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from breakwall.payments.outcomes.schedule import DELAYS
from tests.application_server import serving
from tests.integration.payments.outcomes.test_webhook import SECRET, destination, soon
from tests.unit.payments.outcomes.test_event import EVENT

PAGE = (Path(__file__).parents[4] / "docs" / "outcomes.md").read_text(encoding="utf-8")


def test_the_sample_takes_an_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    sample: dict[str, Any] = {}
    exec(
        compile(found[1].replace("whsec_…", SECRET).replace("from __future__", "#"), "sample", "exec"), sample
    )
    with serving(sample["app"]) as address:
        shop = destination(f"{address}/hooks/breakwall")
        assert [shop.deliver(EVENT, deadline=soon()).error for _ in range(2)] == [None, None]
        for signature in ("v1", "v1,AAAA"):  # The package raises ValueError for the first one.
            headers = {"webhook-id": "evt_1", "webhook-timestamp": str(time.time())}
            forged = httpx2.post(
                f"{address}/hooks/breakwall",
                content=b"{}",
                headers={**headers, "webhook-signature": signature},
            )
            assert forged.status_code == 400
    assert capsys.readouterr().out == "order.paid cart-17\n"


def test_the_page_shows_the_fields_of_an_event() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert re.findall(r'"(\w+)":', shown[1]) == [*EVENT.document, *EVENT.document["data"]]


def test_the_page_says_when_it_is_tried_again() -> None:
    seconds = [1, 5, 30, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24))]
    assert list(DELAYS) == seconds
    assert "after 1, 5 and 30 seconds, 5 and 30 minutes, and 2, 5, 10, 14, 20 and 24 hours" in PAGE
