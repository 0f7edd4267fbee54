"""Runs the checks for the settings' broker. They take less than two seconds; a broker without an answer passes them."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from breakwall.broker.checks import rabbitmq, redis
from breakwall.broker.config import is_amqp
from breakwall.broker.connections.factory import client_app, new_connection
from breakwall.broker.errors import WrongQueueError, explain_wrong_queue, refusal
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")


def check_queue(settings: Settings) -> None:
    """Raise `WrongQueueError` if something else has a name of our queue at the broker. Makes nothing."""
    if problem := explain_wrong_queue(_run(settings, _checks(settings).check_names)):
        raise WrongQueueError(problem)


def check_writing(settings: Settings) -> None:
    """Raise `BrokerRefusesError` if the broker would refuse a publisher's or a worker's commands. Writes nothing."""
    checks = _checks(settings)
    error = _run(settings, checks.check_rights)
    while error is not None:
        if checks.is_refusal(error):
            raise refusal(error)
        error = error.__cause__  # kombu wraps the errors of connecting


def dead_letter_reasons(settings: Settings) -> set[str]:
    """Why the oldest of RabbitMQ's dead letters are there, in its terms; empty if unknown. They stay in their queue."""
    reasons: set[str] = set()
    if is_amqp(settings):
        _run(settings, lambda connection: reasons.update(rabbitmq.dead_letter_reasons(connection)))
    return reasons


def _checks(settings: Settings) -> ModuleType:
    return rabbitmq if is_amqp(settings) else redis


def _run(settings: Settings, check: Callable[[Any], object]) -> BaseException | None:
    """Run the check; return its error, if any."""
    connection = new_connection(settings, client_app(settings))
    try:
        connection.run(lambda: check(connection))
    except Exception as error:
        log.debug("the broker could not be checked (%s)", type(error).__name__)
        return error
    finally:
        connection.close()
    return None
