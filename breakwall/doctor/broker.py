"""Checks the broker: the configured one, or the embedded one."""

from breakwall.broker.checks.run import check_queue, check_writing
from breakwall.broker.depth import queue_depth
from breakwall.broker.errors import BrokerRefusesError, WrongQueueError
from breakwall.doctor.embedded_broker import embedded_broker
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.settings import Settings
from breakwall.urls.address import where

NAME = "broker"


def broker(settings: Settings) -> list[Finding]:
    """Whether the broker answers, takes messages, and holds the right queue."""
    if settings.embedded_broker:
        return embedded_broker(settings)
    address = where(settings.broker)
    try:
        check_queue(settings)
        check_writing(settings)
    except WrongQueueError as error:
        what, _, advice = str(error).partition(". ")
        return [problem(NAME, f"{address}: {what}", f"{advice}.")]
    except BrokerRefusesError as error:
        return [problem(NAME, f"{address}: the broker refuses: {error}", error.advice)]
    depth = queue_depth(settings)
    if depth is None:
        advice = "Check BREAKWALL_BROKER_URL and that the broker runs; until then orders wait safely."
        return [problem(NAME, f"{address} does not answer", advice)]
    return [fine(NAME, f"{address} answers; {depth:,} messages wait")]
