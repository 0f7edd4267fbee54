"""Texts that Breakwall itself has written into the database or an alarm, in the reader's language. Pure.

They are English wherever a program may read them: in the database, the commands and the API. Here each has its form, so
that its values are found and the sentence is said again. What has no form is a person's or a payment service's text.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from breakwall.durations import seconds_in
from breakwall.web.page.words import Words, message

FORMS = (
    # Alarms, see `monitor.alarms`.
    message("The circuit's store does not answer: each process uses a local circuit."),
    message("Run `breakwall doctor`: it checks the store."),
    message("No worker is alive: waiting orders are not charged."),
    message("Start one: `breakwall worker`."),
    message(
        "Start one: `breakwall worker`. %(number)s fell silent: dead, or without a way to the database; see "
        "`breakwall workers`."
    ),
    message("%(number)s order waits for the gateway %(names)s, which no worker has."),
    message("At least %(number)s orders wait for the gateway %(names)s, which no worker has."),
    message("%(number)s orders wait for the gateway %(names)s, which no worker has."),
    message("Run a worker with the settings of that gateway until they are finished: docs/gateways.md."),
    message("The circuit is half-open, but no process probes."),
    message("Start a worker. A customer's next order is a probe as well."),
    message("See `breakwall workers` and the logs; restart a worker that hangs."),
    message("Orders wait, but none of them was finished for %(lasts)s."),
    message("Start a worker."),
    # Incidents, see `payments.ledger.record`, `payments.verification` and `payments.outcomes`.
    message("charged as %(charge)s and as %(other)s: refund one of them"),
    message("charged as %(charge)s although it was to be cancelled: refund it"),
    message("charged as %(charge)s although a person had resolved it as not charged"),
    message("the charge %(charge)s is the charge of order %(order)s"),
    message(
        "the charge %(charge)s is said to be of order %(order)s and is said to be of %(money)s (minor units); "
        "this order is of %(own)s"
    ),
    message("the charge %(charge)s is said to be of order %(order)s; this order is of %(own)s"),
    message("the charge %(charge)s is said to be of %(money)s (minor units); this order is of %(own)s"),
    message(
        "%(at)s UTC: the %(destination)s did not take %(event)s in %(tries)s tries: %(error)s; "
        "`breakwall outcomes redeliver %(id)s` tries again"
    ),
    message(
        "%(at)s UTC: the %(destination)s said that it is gone (HTTP 410), so nothing is sent to it, and outcomes "
        "wait: configure another one, or `breakwall outcomes enable %(name)s`"
    ),
    message(
        "%(at)s UTC: every thread of a worker's %(destination)s is in a call that does not return, so this worker "
        "delivers nothing there: correct it, and restart the worker"
    ),
    message("the %(destination)s takes no outcomes: they wait since %(at)s UTC, and are tried again"),
    # Details of the audit log, see `payments.operator.audit_entries` and who calls `action_log.recorded`.
    message("until %(moment)s"),
    message("for %(lasts)s"),
    message("no limit"),
    message("%(number)s orders a second"),
    message("all that failed"),
    message("%(number)s events"),
    message("order %(order)s"),
    # What a worker lacks, see `host.exhaustion`.
    message("no %(resource)s left"),
)


def own_text(text: str, words: Words) -> str:
    """What Breakwall has written, as the reader says it. Any other text is returned as it is."""
    for form, pattern in _patterns():
        if (found := pattern.fullmatch(text)) is not None:
            values = {name: _value(name, value, words) for name, value in found.groupdict().items()}
            return words.text(form, **values)
    return text


def _value(name: str, value: str, words: Words) -> str:
    if name == "lasts" and (seconds := seconds_in(value.replace(" ", "").replace("min", "m"))) is not None:
        return words.duration(seconds)
    if name == "moment":
        return f"{words.moment(datetime.fromisoformat(value))} UTC"
    return value


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The forms, each with what finds its values."""
    return tuple((form, re.compile(_pattern(form), re.DOTALL)) for form in FORMS)


_KINDS = {
    "at": r"[\d: -]{19}",
    "lasts": r"[\d.]+ ?[a-z]+",
    "moment": r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00",
    "number": r"[\d,.e+]+",
    "order": r"\S+",
    "tries": r"\d+",
}


def _pattern(form: str) -> str:
    parts = re.split(r"%\((\w+)\)s", form)
    return "".join(
        f"(?P<{part}>{_KINDS.get(part, '.+?')})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
