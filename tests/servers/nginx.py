"""An nginx of our own, in a folder of the test, on a free port of the loopback."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import packages
from tests.servers.server import UnavailableError
from tests.waiting import wait_until

_CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; default_type application/json;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port}{tls};
        {server}
    }}
}}
"""


@contextmanager
def running_nginx(server: str, folder: Path, *, tls: bool = False) -> Iterator[int]:
    """Serve the block ``server`` of nginx's configuration; yields the port. `UnavailableError` if there is none."""
    program = packages.program("nginx", "nginx-light")
    if program is None:
        raise UnavailableError("there is none on this machine, and it cannot be installed (root, apt-get)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    filled = _CONFIGURATION.format(folder=folder, port=port, tls=" ssl" if tls else "", server=server)
    configuration.write_text(filled)
    process = subprocess.Popen([program, "-p", folder, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _is_listening(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
