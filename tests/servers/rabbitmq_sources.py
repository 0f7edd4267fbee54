"""Where a RabbitMQ can come from on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import UnavailableError

INSTALL_TIMEOUT = 240.0  # seconds: 50 MB of packages, or an image, to fetch and unpack
HOW_TO_HAVE_ONE = (
    "there is no rabbitmq-server on the path, it cannot be installed (that takes root and apt-get), and no "
    "Docker engine answers; any one of the three will do"
)
POLICY = Path("/usr/sbin/policy-rc.d")


def scripts_present() -> Path | None:
    """The folder with RabbitMQ's own ``rabbitmq-server`` and ``rabbitmqctl``, and Erlang on the path.

    On Debian the programs on the path are wrappers that switch to the system's user and node, so the
    folders with the real ones come first.
    """
    if not (shutil.which("erl") and shutil.which("epmd")):
        return None
    on_path = shutil.which("rabbitmq-server")
    folders = [Path("/usr/lib/rabbitmq/bin"), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((folder for folder in folders if _complete(folder)), None)


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("rabbitmq-server", "rabbitmqctl", "rabbitmq-env"))


def describe(scripts: Path) -> str:
    version = "?"
    for found in sorted(scripts.parent.glob("**/rabbit-[0-9]*"))[:1]:
        version = found.name.removeprefix("rabbit-").removesuffix(".ez")
    return f"RabbitMQ {version} from {scripts}"


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return (
            subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
        )
    return False


def fetch_image(image: str) -> None:
    """Have the Docker engine hold the image.

    Raises:
        UnavailableError: it cannot be had.
    """
    with contextlib.suppress(RuntimeError):
        run(["docker", "image", "inspect", image])
        return
    try:
        run(["docker", "pull", "--quiet", image], timeout=INSTALL_TIMEOUT)
    except RuntimeError as error:
        raise UnavailableError(f"the Docker engine cannot fetch {image}: {error}") from None


def plan() -> str:
    """What a test that needs RabbitMQ will get, without getting it yet."""
    scripts = scripts_present()
    if scripts is not None:
        return describe(scripts)
    if can_install():
        return "RabbitMQ by apt-get, when a test needs it"
    return "RabbitMQ in a container" if docker_answers() else "no RabbitMQ"


def install() -> Path | None:
    """Install Debian's package without starting its service; one process at a time.

    Returns None where the package cannot be had, so that a Docker engine can take its place.
    """
    with _one_at_a_time():
        found = scripts_present()
        if found is not None:
            return found
        with contextlib.suppress(RuntimeError), _services_stay_off():
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            options = ["-qq", "-o", "DPkg::Lock::Timeout=60"]
            run(["apt-get", *options, "update"], env=env, timeout=INSTALL_TIMEOUT)
            package = ["install", "--yes", "--no-install-recommends", "rabbitmq-server"]
            run(["apt-get", *options, *package], env=env, timeout=INSTALL_TIMEOUT)
        return scripts_present()


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
    command: list[str], *, stdin: str = "", env: dict[str, str] | None = None, timeout: float = 60
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
