"""`add_to`, and what it returns. Importing this loads neither Celery nor a driver: web processes import it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakwall.broker import shop_apps
from breakwall.broker.config import CONCURRENCY

if TYPE_CHECKING:
    from celery import Celery

    from breakwall.settings import Settings
    from breakwall.worker.shop.work import ShopWork

MOST_CONCURRENCY = 1000

# A name, so that only a worker loads what it needs.
STEP = "breakwall.worker.shop.step:BreakwallStep"

ATTRIBUTE = "breakwall_addition"  # Of the app.


class Addition:
    """Breakwall in a shop's Celery app."""

    def __init__(self, app: Celery, concurrency: int, given: Settings | None) -> None:
        self.app = app
        self.concurrency = concurrency  # Payments that each worker tries at once.
        self.given = given
        self.work: ShopWork | None = None  # What runs in this process, if it is a worker.

    def settings(self) -> Settings:
        """The settings of this app's workers, for a producer: ``OrderProducer.from_settings(addition.settings())``.

        Without ``BREAKWALL_BROKER_URL``, their broker is the app's own. Raises `SettingsError`, also if the app's
        broker cannot be used. What is wrong with ``BREAKWALL_OUTCOMES__…`` is only a warning, as for each producer.
        """
        from breakwall.settings import load_producer_settings
        from breakwall.worker.shop.broker import settings_for

        return settings_for(self.app, self.given, load_producer_settings)

    def worker_settings(self) -> Settings:
        """The same for a worker, which needs all of them to be right. Raises `SettingsError`."""
        from breakwall.worker.shop.broker import settings_for

        return settings_for(self.app, self.given)

    def __repr__(self) -> str:
        return f"<Breakwall in {self.app!r}, concurrency {self.concurrency}>"


def add_to(app: Celery, *, concurrency: int = CONCURRENCY, settings: Settings | None = None) -> Addition:
    """Have the workers of a shop's Celery app drain Breakwall's queue, beside the shop's own tasks.

    Changes none of the app's settings. Call it where the app is made; only a worker's start reads Breakwall's settings,
    connects and starts threads. Called again with the same arguments it changes nothing.

    Args:
        app: the shop's app. It may be configured before or after, and may be finalized.
        concurrency: payments that each worker tries at once, in threads of their own, 1 to 1000. The worker's own
            ``--concurrency`` remains for the shop's tasks.
        settings: instead of those from the environment.

    Raises:
        TypeError: ``app`` is no Celery app, or it is Breakwall's own.
        ValueError: ``concurrency`` is out of range, or Breakwall was added with other arguments before.
    """
    app = _checked(app)
    if type(concurrency) is not int or not 1 <= concurrency <= MOST_CONCURRENCY:
        raise ValueError(f"concurrency: should be a whole number from 1 to {MOST_CONCURRENCY}")
    before: Addition | None = getattr(app, ATTRIBUTE, None)
    if before is not None:
        if (before.concurrency, before.given) != (concurrency, settings):
            raise ValueError(
                "add_to was called for this app before, with other arguments: call it once, where the app is made"
            )
        return before
    addition = Addition(app, concurrency, settings)
    setattr(app, ATTRIBUTE, addition)
    if settings is None:  # Producers read the same environment, and cannot know given settings.
        shop_apps.remember(app)
    _register(app)
    return addition


def addition_to(app: Celery) -> Addition:
    """What `add_to` returned for this app."""
    addition: Addition = getattr(app, ATTRIBUTE)
    return addition


def _checked(app: Any) -> Celery:
    from celery import Celery
    from celery.local import Proxy

    if type(app) is Proxy:  # such as celery.current_app
        app = app._get_current_object()  # noqa: SLF001 - Celery's own way to what a proxy stands for
    if not isinstance(app, Celery):
        raise TypeError(
            f"app: should be the shop's Celery app, celery.Celery(...), not a {type(app).__name__}"
        )
    if hasattr(app, "breakwall"):
        raise TypeError("app: is Breakwall's own, which needs no add_to: start it with `breakwall worker`")
    return app


def _register(app: Celery) -> None:
    from celery.app.task import Task

    from breakwall.broker.config import TASK
    from breakwall.worker.shop.task import HANDLER, retry_payment

    # With Celery's own class, and in this app alone: it is none of the shop's own tasks.
    ours = {"base": Task, "shared": False, "Strategy": HANDLER, "acks_late": True, "ignore_result": True}
    app.task(name=TASK, **ours)(retry_payment)
    app.steps["worker"].add(STEP)
