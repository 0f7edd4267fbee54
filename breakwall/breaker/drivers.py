"""Says in one sentence which driver is missing, and how to install it."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed_for(purpose: str, **installs: str) -> Iterator[None]:
    """Inside this block ``purpose`` imports its drivers. ``installs``: what to install for each module.

    Raises:
        ModuleNotFoundError: one of the modules is not installed. The message names it and the command.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if not module:
            raise
        command = f"pip install '{installs.get(module, module)}'"
        raise ModuleNotFoundError(
            f"{purpose} needs the Python module {module}, which is not installed: run {command}", name=module
        ) from None
