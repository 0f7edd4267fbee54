"""A relay between a client and PostgreSQL that cuts a connection at its commit."""

import select
import socket
import threading


class Relay:
    """Relays connections to a port of this machine until it has to cut one."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._cuts: list[bool] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next_commit(self, *, arrives: bool) -> None:
        """Cut the connection that commits next: before its commit arrives, or after it is done."""
        self._cuts.append(arrives)

    @property
    def is_armed(self) -> bool:
        """Whether a commit is still to be cut."""
        return bool(self._cuts)

    def close(self) -> None:
        """Accept no more connections; the open ones end with their client."""
        # Closing alone does not wake up a thread in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to_port)) as server:
            try:
                self._pass_on(client, server)
            except ConnectionError:
                return

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([client, server], [], [])
            if server in ready:
                if not (answer := server.recv(65_536)):
                    return
                client.sendall(answer)
            if client in ready:
                if not (asked := client.recv(65_536)):
                    return
                # With the end of the text: the name of an isolation level contains the word, too.
                if b"COMMIT\0" in asked and self._cuts:
                    self._cut(asked, server)
                    return
                server.sendall(asked)

    def _cut(self, commit: bytes, server: socket.socket) -> None:
        if self._cuts.pop():
            server.sendall(commit)
            server.recv(65_536)  # the answer comes after the commit
