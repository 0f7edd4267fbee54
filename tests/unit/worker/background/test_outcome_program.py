"""What the process that delivers outcomes gets from its worker, and what it writes for the worker's log."""

from __future__ import annotations

import io
import logging
import pickle
import sys

import pytest

from breakwall.settings import load_settings
from breakwall.worker.background.outcome_process import log_line
from breakwall.worker.background.outcome_program import LineForParent, ways_of, what_it_reads

WEBHOOK = {
    "BREAKWALL_OUTCOMES__WEBHOOK_URL": "https://shop.example/hook",
    "BREAKWALL_OUTCOMES__WEBHOOK_SECRET": "whsec_" + "YWFh" * 8,
}
TASK = {
    "BREAKWALL_OUTCOMES__TASK": "shop.hear",
    "BREAKWALL_OUTCOMES__TASK_QUEUE": "celery",
    "BREAKWALL_OUTCOMES__BROKER_URL": "redis://shop.example/0",
}
LISTENER = {"BREAKWALL_OUTCOMES__LISTENER": "shop.hooks:hear"}


def test_it_reads_the_import_path_and_then_the_settings() -> None:
    settings = load_settings(WEBHOOK)
    read = io.BytesIO(what_it_reads(settings))
    assert pickle.load(read) == sys.path
    assert pickle.load(read) == settings
    assert read.read() == b""


def test_a_listener_is_not_for_it() -> None:
    assert list(ways_of(load_settings({**WEBHOOK, **TASK, **LISTENER}))) == ["webhook", "task"]


def test_with_a_listener_alone_there_is_nothing_for_it() -> None:
    assert not ways_of(load_settings(LISTENER))


def test_a_message_of_several_lines_is_one_line_for_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    record = logging.LogRecord("breakwall.outcomes", 40, "", 0, "two\n%s lines", ("or three",), None)
    line = LineForParent().format(record)
    assert "\n" not in line
    log_line(line)
    assert caplog.record_tuples == [("breakwall.outcomes", 40, "two\\nor three lines")]
