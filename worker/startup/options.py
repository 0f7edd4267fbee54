"""Which of Celery's options a worker takes. Every other option is refused with a reason; none is ignored."""

import copy
import functools
from collections.abc import Callable
from typing import Any

import click
from celery import concurrency
from celery.bin.worker import worker as celery_worker
from click.core import ParameterSource

from breakwall.broker.config import QUEUE
from breakwall.terminal.logs import is_log_json, write_event

# By Celery's own names. `pool` takes one value; gossip and mingle are always off.
_SUPPORTED = (
    "concurrency heartbeat_interval hostname logfile loglevel pidfile pool task_events without_gossip "
    "without_heartbeat without_mingle"
)
SUPPORTED = frozenset(_SUPPORTED.split())

# Options that work with one value: the one that applies without them.
SUPPORTED_VALUES = {"optimization": "default", "prefetch_multiplier": 1, "queues": [QUEUE]}

MOST_THREADS = 1000

ONLY_THREADS = (
    "payments run in threads, the only pool that works here: they wait for the payment service nearly all of the "
    "time. Leave it out, and set with --concurrency how many are tried at once"
)
_NO_CHILDREN = "there are no child processes: payments run in threads"
_NO_LIMITS = "a thread cannot be ended. BREAKWALL_PAYMENT_TIMEOUT bounds each call to the payment service"
_NO_SCHEDULE = "there is no schedule: due times are in the database, and every worker publishes due orders"
_ONE_QUEUE = f"a worker drains one queue, {QUEUE}, and nothing else"
_START_AS_USER = (
    "files are open before Celery changes the user: start the worker as that user (systemd: User=)"
)
_SERVICE_MANAGER = (
    "in the background it would work in another folder and read other settings: let a service manager "
    "(systemd, a container) run it in the foreground"
)

REASONS = {
    "autoscale": "the number of threads is fixed: set --concurrency; a waiting thread costs almost nothing",
    "beat": _NO_SCHEDULE,
    "detach": _SERVICE_MANAGER,
    "disable_prefetch": "a worker takes a few orders for each thread, and none while nothing may be sent",
    "exclude_queues": _ONE_QUEUE,
    "executable": _SERVICE_MANAGER,
    "gid": _START_AS_USER,
    "include": "run other tasks in a worker of their own: they would take this one's threads",
    "max_memory_per_child": _NO_CHILDREN,
    "max_tasks_per_child": _NO_CHILDREN,
    "optimization": _NO_CHILDREN,
    "pool_start_method": _NO_CHILDREN,
    "prefetch_multiplier": "a worker takes a few orders for each thread: no other worker would see more of them",
    "purge": "it would only delay orders: they are in the database. `breakwall orders cancel` ends them",
    "queues": _ONE_QUEUE,
    "schedule_filename": _NO_SCHEDULE,
    "scheduler": _NO_SCHEDULE,
    "soft_time_limit": _NO_LIMITS,
    "statedb": "it keeps revoked ids, and a revoked message does not end its order",
    "time_limit": _NO_LIMITS,
    "uid": _START_AS_USER,
    "umask": "it works only with --detach: set it where the worker is started",
}
UNKNOWN = "Breakwall was not tested with it"


class ThreadPoolType(click.ParamType[Any]):
    """``--pool``: only ``threads`` is accepted. Other pools are not even imported."""

    name = "pool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        given = ctx is not None and _is_given(ctx, "pool")
        if given and value != "threads":
            self.fail(f"{ONLY_THREADS}.", param, ctx)
        return concurrency.get_implementation("threads")


def own_worker() -> click.Command:
    """A copy of Celery's worker command, with `check_before_start`."""
    command: click.Command = copy.copy(celery_worker)
    command.params = [copy.copy(param) for param in celery_worker.params]
    check_before_start(command)
    return command


def check_before_start(command: click.Command) -> None:
    """Make a worker command first refuse every option that does not work here."""
    types = {"pool": ThreadPoolType(), "concurrency": click.IntRange(1, MOST_THREADS)}
    for param in command.params:
        if param.name in types:
            param.type = types[param.name]
    run: Any = command.callback
    command.callback = _checked(run)


def _checked(run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def checked(*args: Any, **options: Any) -> Any:
        context = click.get_current_context()
        try:
            check(context)
        except click.UsageError as error:
            if not is_log_json():
                raise
            write_event("breakwall.worker", error.message)
            context.exit(error.exit_code)
        return run(*args, **options)

    return checked


def check(context: click.Context) -> None:
    """Raise `click.UsageError`, with the reason for each option on the command line that does not work."""
    problems = [
        f"{_spelling(param)}: {REASONS.get(param.name or '', UNKNOWN)}."
        for param in context.command.params
        if _is_given(context, param.name or "") and not _is_supported(param.name or "", context)
    ]
    if context.args:
        problems.append(
            "a worker takes only options; Breakwall's settings are in the environment (README.md)."
        )
    if problems:
        raise click.UsageError("\n".join(problems), context)


def _is_supported(name: str, context: click.Context) -> bool:
    return name in SUPPORTED or (name in SUPPORTED_VALUES and context.params[name] == SUPPORTED_VALUES[name])


def _is_given(context: click.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source in {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}


def _spelling(param: click.Parameter) -> str:
    return "/".join(sorted(param.opts, key=len))
