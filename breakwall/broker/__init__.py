"""The message broker: Celery's configuration, publishing, queue depth, checks, the embedded broker.

A message holds orders' ids and nothing else. Celery is loaded at the first use, not by this import. Import the names
below; `celery_app`, `consuming` and `messages` are for the worker.
"""

from breakwall.broker.checks.run import check_queue, check_writing, dead_letter_reasons
from breakwall.broker.config import QUEUE, TASK, celery_config
from breakwall.broker.depth import QueueDepth, queue_depth
from breakwall.broker.embedded.broker import EmbeddedBroker, start_embedded_broker
from breakwall.broker.embedded.folder import BrokerNotStartedError
from breakwall.broker.errors import BrokerRefusesError, WrongQueueError
from breakwall.broker.messages.order_message import MESSAGE_FORM
from breakwall.broker.publisher import Publisher

__all__ = [
    "MESSAGE_FORM",
    "QUEUE",
    "TASK",
    "BrokerNotStartedError",
    "BrokerRefusesError",
    "EmbeddedBroker",
    "Publisher",
    "QueueDepth",
    "WrongQueueError",
    "celery_config",
    "check_queue",
    "check_writing",
    "dead_letter_reasons",
    "queue_depth",
    "start_embedded_broker",
]
