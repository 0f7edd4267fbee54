"""The step that Celery runs in each worker of a shop's app."""

import logging
from typing import Any, NoReturn

from celery import bootsteps

from breakwall.host.concurrency import HostError, check_host
from breakwall.settings import SettingsError
from breakwall.worker.shop.addition import addition_to
from breakwall.worker.shop.work import ShopWork
from breakwall.worker.startup.steps import WRONG_SETTINGS

log = logging.getLogger("breakwall.worker")


class BreakwallStep(bootsteps.StartStopStep):
    """Drain our queue from the worker's start to its end, in threads of the main process.

    It starts after the pool, so that no child of the first ones inherits a connection or a lock; later children use
    nothing of ours. What cannot work is refused before anything has started, with exit code 2.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._addition = addition_to(worker.app)
        self._work = self._prepared(worker.hostname)

    def _prepared(self, name: str) -> ShopWork:
        try:
            check_host()
            work = ShopWork(self._addition.worker_settings(), name, self._addition.concurrency)
        except (HostError, SettingsError) as error:
            _refuse(error)
        work.check()
        return work

    def start(self, worker: Any) -> None:
        self._work.start()
        self._addition.work = self._work

    def close(self, worker: Any) -> None:
        """Celery calls it before any step stops: the payments in progress end while the shop's tasks do."""
        self._work.ask_to_stop()

    def stop(self, worker: Any) -> None:
        self._addition.work = None
        self._work.stop()

    # After a second Ctrl-C too: a call in hand cannot be taken back, and ends by its timeout.
    terminate = stop


def _refuse(error: Exception) -> NoReturn:
    for line in str(error).splitlines():
        log.critical("%s", line)
    raise SystemExit(WRONG_SETTINGS) from None
