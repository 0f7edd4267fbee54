"""The stream of server-sent events."""

from __future__ import annotations

import asyncio
import json

from breakwall.web.live.poller import Seen
from breakwall.web.live.stream import event_stream, event_text
from tests.contract.site import Site, order
from tests.contract.web.live.test_poller import Process
from tests.unit.monitor.snapshots import OUTAGE


def fields(event: str) -> dict[str, str]:
    assert event.endswith("\n\n")
    return dict(line.split(": ", 1) for line in event.strip().splitlines())


def test_an_event_is_the_document_of_the_backlog() -> None:
    event = fields(event_text(Seen(7, OUTAGE, (), 1.0), 0.5))
    assert (event["id"], event["event"]) == ("7", "backlog")
    assert json.loads(event["data"])["queued"] == 1284


def test_a_problem_says_how_old_the_last_numbers_are() -> None:
    event = fields(event_text(Seen(8, OUTAGE, (), 1.0, "it does not answer"), 12.3456))
    assert event["event"] == "problem"
    assert json.loads(event["data"]) == {"detail": "it does not answer", "age_seconds": 12.346}
    never = fields(event_text(Seen(9, None, (), float("-inf"), "it does not answer"), float("inf")))
    assert json.loads(never["data"])["age_seconds"] is None


def test_the_stream_begins_with_the_newest_snapshot_and_ends_with_the_process(site: Site) -> None:
    site.producer.enqueue([order("a")])

    async def scenario() -> list[str]:
        process = Process(site)
        found = []
        async for text in event_stream(process.live):
            found.append(text)
            if len(found) == 2:
                process.stopping.begin()
        return found

    retry, event = asyncio.run(scenario())
    assert retry.startswith("retry: ")
    assert json.loads(fields(event)["data"])["queued"] == 1


def test_a_comment_shows_that_the_connection_lives(site: Site) -> None:
    async def scenario() -> list[str]:
        process = Process(site)
        process.live._monotonic = asyncio.get_running_loop().time
        found = []
        async for text in event_stream(process.live, keep_alive=0.05):
            found.append(text)
            if text.startswith(":"):
                process.stopping.begin()
        return found

    assert asyncio.run(scenario())[-1] == ": keep-alive\n\n"
