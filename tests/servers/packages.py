"""Debian's packages of servers: installed when a test needs one, without starting the server."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

INSTALL_TIMEOUT = 240.0  # seconds: 50 MB of packages, or an image, to fetch and unpack
POLICY = Path("/usr/sbin/policy-rc.d")


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(package: str, present: Callable[[], T | None]) -> T | None:
    """Install the package if needed, one process at a time; returns what ``present`` finds, or None."""
    with _one_at_a_time():
        found = present()
        if found is not None or not can_install():
            return found
        with contextlib.suppress(RuntimeError), _services_stay_off():
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            options = ["-qq", "-o", "DPkg::Lock::Timeout=60"]
            run(["apt-get", *options, "update"], env=env, timeout=INSTALL_TIMEOUT)
            command = ["install", "--yes", "--no-install-recommends", package]
            run(["apt-get", *options, *command], env=env, timeout=INSTALL_TIMEOUT)
        return present()


def program(name: str, package: str) -> Path | None:
    """A program of a package, installed if it is missing; None if it cannot be had."""

    def present() -> Path | None:
        # Servers are in /usr/sbin, which is not on the path of every user.
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        return Path(found) if found else None

    return present() or install(package, present)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "breakwall-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _services_stay_off() -> Iterator[None]:
    """Debian's own way of installing a package without starting what is in it."""
    if POLICY.exists():  # an image that starts no services already, or an administrator's choice
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def run(
    command: list[str], *, stdin: str = "", env: dict[str, str] | None = None, timeout: float = 150
) -> str:
    """What the command printed.

    Raises:
        RuntimeError: it failed, or took too long.
    """
    try:
        done = subprocess.run(
            command, input=stdin, env=env, timeout=timeout, capture_output=True, text=True, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} … failed: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout
