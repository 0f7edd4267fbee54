"""A request is written as it was meant, or not at all."""

from __future__ import annotations

import h11
import pytest

from breakwall.payments.gateways.transport.request import Request, stand_in


def read(encoded: bytes) -> tuple[h11.Request, bytes]:
    """What a server takes it for."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(encoded)
    head, body = server.next_event(), b""
    assert isinstance(head, h11.Request)
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    return head, body


def test_a_server_reads_what_was_meant() -> None:
    headers = {"Host": "shop.example:8080", "X-Words": "a  b\t~", "X-Empty": ""}
    head, body = read(Request("POST", b"/a?b=c%0A", headers, b"\r\n\r\nGET / HTTP/1.1").encode())
    assert (head.method, head.target, body) == (b"POST", b"/a?b=c%0A", b"\r\n\r\nGET / HTTP/1.1")
    assert [(name.decode(), value.decode()) for name, value in head.headers.raw_items()] == [
        *headers.items(),
        ("Content-Length", "18"),
    ]


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\x7f", "\u0085", "ß", "Ā"])
@pytest.mark.parametrize("where", ["name", "value", "target", "method"])
def test_nothing_that_could_end_a_line_is_sent(where: str, character: str) -> None:
    given = {name: f"secret{character}x" if name == where else "X" for name in ("method", "name", "value")}
    target = f"/secret{character}x".encode() if where == "target" else b"/"
    request = Request(given["method"], target, {"Host": "a", given["name"]: given["value"]})
    with pytest.raises(h11.LocalProtocolError) as raised:
        request.encode()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", b"/", {"Host": "a", "X": "a\r\nTransfer-Encoding: chunked"}, b"body"),
        Request("POST", b"/", {"Host": "a", "X: a\r\nTransfer-Encoding": "chunked"}, b"body"),
        Request("POST", b"/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: b", {"Host": "a"}, b"body"),
        Request("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nPOST", b"/", {"Host": "a"}, b"body"),
        Request("POST", b"/", {"Host": "a", "Transfer-Encoding: chunked;a": "b"}, b"body"),
        Request("POST", b"/", {"Host": "a", "X:": "b"}, b"body"),
    ],
    ids=["value", "name", "target", "method", "name and value", "colon"],
)
def test_no_part_holds_another_one(request_: Request) -> None:
    with pytest.raises(h11.LocalProtocolError):
        request_.encode()


@pytest.mark.parametrize("name", ["connection", "Content-Length", "Expect", "Transfer-Encoding", "UPGRADE"])
def test_no_header_says_where_the_request_ends(name: str) -> None:
    with pytest.raises(h11.LocalProtocolError):
        Request("POST", b"/", {"Host": "a", name: "0"}, b"body").encode()


def test_an_answer_is_read_as_one_to_its_method() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(stand_in("CONNECT"))
    client.send(h11.EndOfMessage())
    client.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    client.next_event()
    assert client.next_event() is h11.PAUSED  # A tunnel: no body follows.
