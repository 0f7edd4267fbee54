"""The URL of a SQL database, for the orders and for a breaker's store."""

from pathlib import Path
from urllib.parse import SplitResult, unquote

from breakwall.urls.parameters import POSTGRESQL, check_parameters
from breakwall.urls.syntax import ESCAPES, check_credentials, check_host_name, check_name, split

# For the orders; their drivers are installed with Breakwall.
SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")


def check_database_url(url: str) -> None:
    """The orders database."""
    _, parts = split(url, *SCHEMES)
    check_sql(url, parts)


def check_sql(url: str, parts: SplitResult) -> None:
    """Any SQL database."""
    scheme = url.partition("://")[0]
    database = scheme.partition("+")[0]
    if database == "sqlite":
        _check_sqlite(url)
    else:
        check_server(url, parts)
    if scheme not in SCHEMES:
        _check_driver(url, database)


def missing_file(url: str) -> Path | None:
    """The SQLite file that the URL names if it is missing, because a connection would make an empty one; else None.

    Also None if this user has no right to see the file: the connection then raises the right error.
    """
    from sqlalchemy import make_url

    parsed = make_url(url)
    file = Path(parsed.database or "")
    try:
        missing = parsed.get_backend_name() == "sqlite" and not file.exists()
    except PermissionError:
        missing = False
    return file if missing else None


def _check_sqlite(url: str) -> None:
    host, _, file = url.partition("://")[2].partition("?")[0].partition("/")
    # Each process would have its own database in memory, and lose it at its end.
    if host or unquote(file) in {"", ":memory:"}:
        raise ValueError("names no file: sqlite:///relative/path or sqlite:////absolute/path is right")
    if "?" in url:
        raise ValueError("should end with the file's path, without parameters (a ? in the path is %3F)")


def check_server(url: str, parts: SplitResult) -> None:
    """PostgreSQL, with any number of hosts before the ?."""
    scheme = url.partition("://")[0]
    check_credentials(parts)
    for host in filter(None, (parts.hostname or "").split(",")):
        check_host_name(scheme, host)
    check_name(parts, "database")
    check_parameters(parts.query, POSTGRESQL)
    _check_as_sqlalchemy(url, parts)


def _check_as_sqlalchemy(url: str, parts: SplitResult) -> None:
    # A process that uses a database imports SQLAlchemy anyway.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    read = (unquote(parts.username or ""), unquote(parts.password or ""), parts.hostname or "")
    try:
        parsed = make_url(url)
        same = read == (parsed.username or "", parsed.password or "", (parsed.host or "").lower())
    except (ArgumentError, ValueError):
        same = False
    if not same:
        raise ValueError(f"is not a URL that all libraries read in the same way; {ESCAPES}")


def _check_driver(url: str, database: str) -> None:
    from sqlalchemy import make_url
    from sqlalchemy.exc import NoSuchModuleError

    try:
        dialect = make_url(url).get_dialect()
        dialect.import_dbapi()
    except NoSuchModuleError:
        raise ValueError(
            f"names a driver that SQLAlchemy does not know; {database}:// uses the usual one"
        ) from None
    except ModuleNotFoundError as error:
        raise ValueError(
            f"needs the library {error.name}, which is not installed; "
            f"{database}+driver:// names another that SQLAlchemy knows"
        ) from None
    if dialect.is_async:
        raise ValueError(f"names an asynchronous driver; {database}:// uses the usual one")
