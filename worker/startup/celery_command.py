"""For `celery -A worker worker`: undoes or refuses what Celery's command line did before it loaded our app."""

import os

import click
from celery.bin.celery import celery
from celery.bin.worker import worker
from click.core import ParameterSource

from breakwall.broker.celery_environment import hide_from_celery, read_at_import
from breakwall.terminal import streams
from breakwall.worker.startup.options import check_before_start

# Celery's options for what our settings decide, and what to do instead.
REPLACED_BY = {
    "broker": "set BREAKWALL_BROKER_URL, which producers, workers and `breakwall doctor` share",
    "result_backend": "there are no results: an order's state is in the database",
    "loader": "Breakwall's settings are in the environment (README.md)",
    "config": "Breakwall's settings are in the environment (README.md)",
    "skip_checks": "there is no Django here to check",
}


class CeleryCommandError(Exception):
    """Celery was started with options or variables that cannot be undone; the message says what to leave out."""


def take_over_celery_command() -> None:
    """Called while Celery's command line loads the app; anywhere else it changes nothing.

    Afterwards no environment variable sets an option, and the worker takes only the options that work. Raises
    `CeleryCommandError` with every option and variable that has had an effect already.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.command is not celery:
        return
    streams.prepare()  # Celery logs to stderr, even if that is closed
    problems = [*_options(context), *_variables()]
    if problems:
        raise CeleryCommandError("\n".join(problems))
    hide_from_celery(os.environ)
    context.auto_envvar_prefix = None
    check_before_start(worker)


def _options(context: click.Context) -> list[str]:
    return [
        f"--{name.replace('_', '-')}: leave it out; {instead}."
        for name, instead in REPLACED_BY.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and context.params.get(name)
    ]


def _variables() -> list[str]:
    return [
        f"{name}: unset it, or start with `breakwall worker`; Celery has read it before it loaded Breakwall."
        for name in read_at_import(os.environ)
    ]
