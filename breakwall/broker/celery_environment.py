"""Celery's own environment variables. They are meant for other programs: here they change nothing.

A Django image sets `CELERY_BROKER_URL` for the shop's Celery. A worker that obeyed it would drain another queue
than the one to which this site's orders are published.
"""

from collections.abc import Mapping, MutableMapping

PREFIXES = ("CELERY_", "KOMBU_")

# Celery and its libraries read these while they are imported.
AT_IMPORT = (
    "AUTOSCALE_KEEPALIVE",
    "CELERY_BENCH",
    "CELERY_BENCH_EVERY",
    "CELERY_TRACE_APP",
    "CELERY_WORKER_REVOKES_MAX",
    "CELERY_WORKER_REVOKE_EXPIRES",
    "CELERY_WORKER_SUCCESSFUL_EXPIRES",
    "CELERY_WORKER_SUCCESSFUL_MAX",
    "C_BENCH",
    "C_BENCH_EVERY",
    "C_IMPDEBUG",
    "C_REMDEBUG",
    "C_STRICT_APP",
    "C_WARN_APP",
    "DISABLE_TRACEBACKS",
    "KOMBU_DEBUG_POOL",
    "KOMBU_DISABLE_LIMIT_PROTECTION",
    "KOMBU_LOG_CHANNEL",
    "KOMBU_LOG_CONNECTION",
    "KOMBU_LOG_DEBUG",
    "MP_LOG",
    "PICKLE_PROTOCOL",
    "REMAP_SIGTERM",
    "TIMER_DEBUG",
    "USE_FAST_LOCALS",
)

WITH_A_DEBUGGER = "CELERY_RDBSIG"  # Makes a signal open a debugger on a port; read when a worker starts.

# With it, no program can import Celery 5.7: its hook calls Python's import wrongly.
ENDS_CELERY = "C_IMPDEBUG"

# Celery, or its command line, reads these later. They have no prefix.
OTHERS = (
    "BROKER_URL",
    "CONFIG_MODULE",
    "C_FAKEFORK",
    "C_FORCE_ROOT",
    "C_WNOCONF",
    "DJANGO_SETTINGS_MODULE",
    "LOADER",
    "RESULT_BACKEND",
    "SKIP_CHECKS",
)


def foreign_variables(environ: Mapping[str, str]) -> list[str]:
    """The names in ``environ`` that would change Celery and change nothing here, in order."""
    named = {*AT_IMPORT, *OTHERS}
    # Celery looks for whole names. A longer one may hold a value, where : was written for =.
    return sorted(
        name for name in environ if name in named or (name.startswith(PREFIXES) and name.isidentifier())
    )


def read_at_import(environ: Mapping[str, str]) -> list[str]:
    """The names in ``environ`` that have acted already, where Celery was imported before us."""
    return [name for name in AT_IMPORT if environ.get(name)]


def hide_from_celery(environ: MutableMapping[str, str]) -> None:
    """Remove what Celery reads and no setting of ours can change; the rest stays, for a shop's listener.

    To be called in a worker's process before it imports Celery.
    """
    for name in (*AT_IMPORT, WITH_A_DEBUGGER):
        environ.pop(name, None)
