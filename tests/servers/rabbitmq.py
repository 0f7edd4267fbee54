"""A private RabbitMQ node: from a program that is present, else installed, else in a container."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from abc import abstractmethod
from pathlib import Path

import amqp

from tests.servers import rabbitmq_sources as sources
from tests.servers.server import START_TIMEOUT, Server, UnavailableError
from tests.servers.workspace import Workspace

VHOSTS_AT_ONCE = 20  # rabbitmqctl takes about a second and a half, however many it makes


class RabbitServer(Server):
    """`url` takes a virtual host's name; `fresh_url` makes an unused one."""

    name = "RabbitMQ"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._unused: list[str] = []
        self._made = 0

    @abstractmethod
    def control(self, *arguments: str, stdin: str = "") -> str:
        """Run ``rabbitmqctl`` for the node and return its output; `RuntimeError` if it fails."""

    def url(self, name: str = "%2F") -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"

    def fresh_url(self) -> str:
        """An empty virtual host."""
        if not self._unused:
            self._make_vhosts()
        return self.url(self._unused.pop())

    def raise_memory_alarm(self) -> None:
        """From now on the node accepts connections and reads nothing that is published."""
        self.control("set_vm_memory_high_watermark", "0.000001")

    def clear_memory_alarm(self) -> None:
        self.control("set_vm_memory_high_watermark", "0.9")

    def raise_disk_alarm(self) -> None:
        """The same, as if its disk were nearly full."""
        self.control("set_disk_free_limit", "1000000GB")

    def clear_disk_alarm(self) -> None:
        self.control("set_disk_free_limit", "1MB")

    def queue_types(self, url: str) -> dict[str, str]:
        """The queues of the virtual host of a URL, each with its type."""
        table = self.control("list_queues", "--vhost", url.rpartition("/")[2], "name", "type")
        rows = [line.split() for line in table.splitlines()]
        return {name: kind for name, kind in rows if name != "name"}

    def wipe(self) -> None:
        self._unused.clear()
        super().wipe()

    def _make_vhosts(self) -> None:
        names = [f"test_{self._made + number}" for number in range(VHOSTS_AT_ONCE)]
        self._made += len(names)
        everything = {"configure": ".*", "write": ".*", "read": ".*", "user": "guest"}
        definitions = {
            "vhosts": [{"name": name} for name in names],
            "permissions": [{"vhost": name, **everything} for name in names],
        }
        self.control("import_definitions", stdin=json.dumps(definitions))
        self._unused = names

    def _answers(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=1, read_timeout=5):
                return True
        except (OSError, amqp.exceptions.AMQPError):
            return False


class RabbitNode(RabbitServer):
    """A node as a child process, with its own epmd, so that nothing stays behind."""

    def __init__(self, workspace: Workspace, scripts: Path) -> None:
        super().__init__(workspace)
        self.scripts = scripts
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port = workspace.free_port()
        self._dist_port = workspace.free_port()
        self._home = workspace.subfolder("rabbitmq-home")
        cookie = self._home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)

    @property
    def description(self) -> str:
        return sources.describe(self.scripts)

    def control(self, *arguments: str, stdin: str = "") -> str:
        command = [str(self.scripts / "rabbitmqctl"), "--quiet", "--node", self._node, *arguments]
        return sources.run(command, stdin=stdin, env=self._environment())

    def stop(self) -> None:
        super().stop()
        self._stop_epmd()

    def kill(self) -> None:
        super().kill()
        self._stop_epmd()

    @property
    def _node(self) -> str:
        return f"breakwall-{self.port}@localhost"

    def _prepare(self) -> None:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
            "disk_free_limit.absolute = 1MB\n"
            "vm_memory_high_watermark.relative = 0.9\n"
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        self._start_epmd()

    def _start_epmd(self) -> None:
        """Start Erlang's port mapper in the foreground: otherwise Erlang starts one that never ends."""
        if self._epmd is not None and self._epmd.poll() is None:
            return
        command = ["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)]
        self._epmd = self._run_in_background(command)
        self.workspace.started(self._epmd.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._epmd_port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"epmd did not start: {self.log()[-500:]}")

    def _stop_epmd(self) -> None:
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(60)
            self.workspace.ended(self._epmd.pid)
            self._epmd = None

    def _command(self) -> list[str]:
        return [str(self.scripts / "rabbitmq-server")]

    def _spawn(self) -> subprocess.Popen[bytes]:
        return self._run_in_background(self._command(), env=self._environment())

    def _environment(self) -> dict[str, str]:
        """Replaces everything that would otherwise come from the system's own RabbitMQ."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        on_loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            **inherited,
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": on_loopback,
            "RABBITMQ_CTL_ERL_ARGS": on_loopback,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            # The start script then becomes the server instead of waiting beside it: one process to signal.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


class RabbitContainer(RabbitServer):
    """The official image on a Docker engine that runs."""

    image = "rabbitmq:4"

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._container = f"breakwall-test-{self.port}"
        workspace.run_at_the_end(["docker", "rm", "--force", "--volumes", self._container])

    @property
    def description(self) -> str:
        return f"RabbitMQ from the image {self.image}"

    def control(self, *arguments: str, stdin: str = "") -> str:
        return sources.run(
            ["docker", "exec", "-i", self._container, "rabbitmqctl", "--quiet", *arguments], stdin=stdin
        )

    @property
    def running(self) -> bool:
        return self._state() == "running"

    def start(self) -> None:
        state = self._state()
        if state == "running":
            return
        sources.run(self._command() if state == "" else ["docker", "start", self._container])
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ's container did not start: {self.log()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        self._docker("stop")

    def kill(self) -> None:
        self._docker("kill")

    def pause(self) -> None:
        self._docker("pause")

    def resume(self) -> None:
        self._docker("unpause")

    def close(self) -> None:
        self._docker("rm", "--force", "--volumes")

    def log(self) -> str:
        return sources.run(["docker", "logs", self._container])

    def _prepare(self) -> None:
        """The image has everything."""

    def _command(self) -> list[str]:
        port = f"127.0.0.1:{self.port}:5672"
        return ["docker", "run", "--detach", "--name", self._container, "--publish", port, self.image]

    def _remove_data(self) -> None:
        self._docker("rm", "--force", "--volumes")

    def _docker(self, verb: str, *options: str) -> None:
        with contextlib.suppress(RuntimeError):  # pausing what is paused, stopping what is stopped
            sources.run(["docker", verb, *options, self._container])

    def _state(self) -> str:
        try:
            return sources.run(
                ["docker", "inspect", "--format", "{{.State.Status}}", self._container]
            ).strip()
        except RuntimeError:
            return ""


def rabbitmq_server_for_this_machine(workspace: Workspace) -> RabbitServer:
    """A stopped server of the first kind that this machine can have; may install one. Raises `UnavailableError`."""
    scripts = sources.scripts_present()
    if scripts is None and sources.can_install():
        scripts = sources.install()
    if scripts is not None:
        return RabbitNode(workspace, scripts)
    if sources.docker_answers():
        sources.fetch_image(RabbitContainer.image)
        return RabbitContainer(workspace)
    raise UnavailableError(sources.HOW_TO_HAVE_ONE)
