"""Where a RabbitMQ can come from on this machine."""

import contextlib
import shutil
import subprocess
from pathlib import Path

from tests.servers import packages
from tests.servers.packages import INSTALL_TIMEOUT, can_install, run
from tests.servers.server import UnavailableError

HOW_TO_HAVE_ONE = (
    "there is no rabbitmq-server on the path, it cannot be installed (that takes root and apt-get), and no "
    "Docker engine answers; any one of the three will do"
)


def scripts_present() -> Path | None:
    """The folder with RabbitMQ's own ``rabbitmq-server`` and ``rabbitmqctl``, and Erlang on the path.

    On Debian the programs on the path are wrappers that change to the system's user and node, so the folder with the
    real ones comes first.
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


def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return (
            subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
        )
    return False


def fetch_image(image: str) -> None:
    """Make sure that the Docker engine has the image; `UnavailableError` if it cannot get it."""
    with contextlib.suppress(RuntimeError):
        run(["docker", "image", "inspect", image])
        return
    try:
        run(["docker", "pull", "--quiet", image], timeout=INSTALL_TIMEOUT)
    except RuntimeError as error:
        raise UnavailableError(f"the Docker engine cannot fetch {image}: {error}") from None


def plan() -> str:
    """Where a test's RabbitMQ will come from. Installs nothing."""
    scripts = scripts_present()
    if scripts is not None:
        return describe(scripts)
    if can_install():
        return "RabbitMQ by apt-get, when a test needs it"
    return "RabbitMQ in a container" if docker_answers() else "no RabbitMQ"


def install() -> Path | None:
    """Install Debian's package; None if it cannot be had: then a Docker engine may serve."""
    return packages.install("rabbitmq-server", scripts_present)
