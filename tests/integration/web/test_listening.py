from __future__ import annotations

import socket

import pytest

from breakwall.errors import ExitCode
from breakwall.web.listening import CannotListenError, inherited, listen, url_of


def test_a_free_port_is_found_and_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_it_accepts_connections_at_once() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        assert listener.accept()


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            CannotListenError, match=f"port {port} of 127.0.0.1 is taken: .* --port"
        ) as caught:
            listen("127.0.0.1", port)
    assert caught.value.exit_code == ExitCode.FAILURE


def test_a_port_of_the_last_process_can_be_used_again_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            listener.accept()[0].close()  # This end waits a minute in TIME_WAIT.
            client.recv(1)
    listen("127.0.0.1", address[1]).close()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotListenError, match="--host should be an address of this machine"):
        listen("192.0.2.1", 0)


def test_localhost_is_the_address_that_people_mean() -> None:
    with listen("localhost", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")


def test_an_inherited_socket_is_the_same_one() -> None:
    with listen("127.0.0.1", 0) as listener, inherited(listener.dup().detach()) as same:
        assert same.getsockname() == listener.getsockname()
