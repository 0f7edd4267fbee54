"""A relay between a client and a server that falls silent, as a hung proxy does: it reads, and answers nothing."""

import contextlib
import socket
import threading


class SilentRelay:
    """Relays connections to a port of this machine, from ``port``."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._silence = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """On all connections that are open now, for ever. Later ones are relayed."""
        self._silence.set()
        self._silence = threading.Event()

    def stay_silent(self) -> None:
        """On all connections, also later ones, for ever."""
        self._silence.set()

    def close(self) -> None:
        """Accept no more connections; the open ones end with their client."""
        # Closing alone does not wake up a thread in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self) -> None:
        """End all connections: whoever waits for an answer learns that there is none."""
        for side in list(self._open):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to_port))
            self._open += (client, server)
            for sides in ((client, server), (server, client)):
                threading.Thread(target=_pass_on, args=(*sides, self._silence), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket, silence: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65_536):
            if not silence.is_set():
                other.sendall(data)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_WR)
