"""The message broker: how Celery is configured for it, publishing within bounds, depth, and the embedded one.

Messages carry an order's id and nothing else; imports no payments, and of the breaker only `forking`. Celery is
loaded at the first use, not by importing this.
"""

from breakwall.broker.config import QUEUE, TASK, celery_config
from breakwall.broker.depth import QueueDepth, causes_of_death, check_queue, check_writing, queue_depth
from breakwall.broker.embedded.broker import EmbeddedBroker, start_embedded_broker
from breakwall.broker.embedded.server import BrokerNotStartedError
from breakwall.broker.message_forms import READS
from breakwall.broker.mismatch import WrongQueueError
from breakwall.broker.publishing.publisher import Publisher
from breakwall.broker.refusal import BrokerRefusesError

__all__ = [
    "QUEUE",
    "READS",
    "TASK",
    "BrokerNotStartedError",
    "BrokerRefusesError",
    "EmbeddedBroker",
    "Publisher",
    "QueueDepth",
    "WrongQueueError",
    "causes_of_death",
    "celery_config",
    "check_queue",
    "check_writing",
    "queue_depth",
    "start_embedded_broker",
]
