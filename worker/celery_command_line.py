"""What Celery's own command line did before it came to our app: undone where it can be, refused where not.

`breakwall worker` needs none of it: nothing of Celery's runs before it there.
"""

from __future__ import annotations

import os

import click
from click.core import ParameterSource

from breakwall.broker.celery_environment import hide_from_celery, read_at_import
from breakwall.terminal import streams

IN_OUR_PLACE = {
    "broker": "set BREAKWALL_BROKER_URL, which producers, workers and `breakwall doctor` share",
    "result_backend": "there are no results: an order's state is in the database",
    "loader": "Breakwall's settings are in the environment (README.md)",
    "config": "Breakwall's settings are in the environment (README.md)",
    "skip_checks": "there is no Django here to check",
}
"""Celery's options that say where it finds what our settings say, and what to do instead."""


class SurroundingsError(Exception):
    """Celery was started in a way that we cannot stand in for; the message says what to leave out."""


def settle_in() -> None:
    """To be called while Celery's command line loads the app; anywhere else it changes nothing.

    From here on no variable gives the command's options values, and the worker takes only what works.

    Raises:
        SurroundingsError: an option or a variable has acted that should not.
    """
    context = _celerys_command()
    if context is None:
        return
    streams.prepare()  # Celery logs to stderr, also where that is closed
    problems = [*_options(context), *_variables()]
    if problems:
        raise SurroundingsError("\n".join(problems))
    hide_from_celery(os.environ)
    context.auto_envvar_prefix = None
    _hold_the_worker()


def _celerys_command() -> click.Context | None:
    from celery.bin.celery import celery

    context = click.get_current_context(silent=True)
    return context if context is not None and context.command is celery else None


def _options(context: click.Context) -> list[str]:
    given = [
        name
        for name in IN_OUR_PLACE
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and context.params.get(name)
    ]
    return [f"--{name.replace('_', '-')}: leave it out; {IN_OUR_PLACE[name]}." for name in given]


def _variables() -> list[str]:
    return [
        f"{name}: unset it, or start with `breakwall worker`; Celery has read it before Breakwall was there."
        for name in read_at_import(os.environ)
    ]


def _hold_the_worker() -> None:
    from celery.bin.worker import worker

    from breakwall.worker.options import hold_to_our_options

    hold_to_our_options(worker)
