"""Which modules of an extra are not installed."""

from importlib.util import find_spec

WEB = ("babel", "fastapi", "jinja2", "prometheus_client", "python_multipart", "uvicorn")
"""What `breakwall api` and the operator's page import."""


def missing_modules(names: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that are not installed. None of them is imported."""
    return [name for name in names if find_spec(name) is None]
