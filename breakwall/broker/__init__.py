"""The message broker: how Celery is configured for it, publishing within bounds, depth, and the embedded one.

Messages carry an order's id and nothing else; imports neither payments nor breaker. Celery is loaded at the
first use, not by importing this.
"""

from breakwall.broker.config import QUEUE, TASK, celery_config
from breakwall.broker.depth import QueueDepth, queue_depth
from breakwall.broker.publisher import Publisher

__all__ = ["QUEUE", "TASK", "Publisher", "QueueDepth", "celery_config", "queue_depth"]
