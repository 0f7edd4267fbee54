"""Celery's own environment variables, which are for other programs: here they change nothing.

Example: an image sets `CELERY_BROKER_URL` for the shop's Celery. With it, a worker would consume another broker's queue
than the one that this site's orders are published to.
"""

from collections.abc import Mapping, MutableMapping

PREFIXES = ("CELERY_", "KOMBU_")

# Celery and its libraries read these while they are imported.
AT_IMPORT = """
AUTOSCALE_KEEPALIVE CELERY_BENCH CELERY_BENCH_EVERY CELERY_TRACE_APP CELERY_WORKER_REVOKES_MAX
CELERY_WORKER_REVOKE_EXPIRES CELERY_WORKER_SUCCESSFUL_EXPIRES CELERY_WORKER_SUCCESSFUL_MAX C_BENCH
C_BENCH_EVERY C_IMPDEBUG C_REMDEBUG C_STRICT_APP C_WARN_APP DISABLE_TRACEBACKS KOMBU_DEBUG_POOL
KOMBU_DISABLE_LIMIT_PROTECTION KOMBU_LOG_CHANNEL KOMBU_LOG_CONNECTION KOMBU_LOG_DEBUG MP_LOG PICKLE_PROTOCOL
REMAP_SIGTERM TIMER_DEBUG USE_FAST_LOCALS
""".split()

WITH_A_DEBUGGER = "CELERY_RDBSIG"  # A signal opens a debugger on a port. Read at a worker's start.

ENDS_CELERY = "C_IMPDEBUG"  # With it, Celery 5.7 cannot be imported: its hook calls Python's import wrongly.

# Celery or its command line reads these later. They have no prefix.
OTHERS = """
BROKER_URL CONFIG_MODULE C_FAKEFORK C_FORCE_ROOT C_WNOCONF DJANGO_SETTINGS_MODULE LOADER RESULT_BACKEND
SKIP_CHECKS
""".split()


def foreign_variables(environ: Mapping[str, str]) -> list[str]:
    """The names in ``environ``, sorted, that configure Celery elsewhere and change nothing here."""
    named = {*AT_IMPORT, *OTHERS}
    # A name that is no identifier may hold a value: with : written instead of =.
    return sorted(n for n in environ if n in named or (n.startswith(PREFIXES) and n.isidentifier()))


def read_at_import(environ: Mapping[str, str]) -> list[str]:
    """The names in ``environ`` that have already had an effect, if Celery was imported before Breakwall."""
    return [name for name in AT_IMPORT if environ.get(name)]


def hide_from_celery(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that our settings cannot override. Call it in a worker before Celery is imported.

    The rest stays, for a shop's listener.
    """
    for name in (*AT_IMPORT, WITH_A_DEBUGGER):
        environ.pop(name, None)
