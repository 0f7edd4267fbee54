"""A request as bytes.

h11 would check each header by itself, and write it by itself: that is most of the processor time of a whole call. Here
one check covers the whole head, and a count shows that no part of it is several. h11 reads the answers, and so has to
know what kind of request they answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import h11

# RFC 9112, 3, and RFC 9110, 5.1 and 5.5, without the obsolete forms: nothing in a target or a value can end its line.
_TOKEN = rb"[!#-'*+.^_`|~0-9A-Za-z-]+"
_VALUE = rb"(?:[!-~](?:[ \t]*[!-~])*)?"
_HEAD = re.compile(
    rb"%b [!-~]+ HTTP/1\.1\r\n(?:%b: %b\r\n)+\r\n" % (_TOKEN, _TOKEN, _VALUE),
)
# What decides where the request ends, and whether the connection lasts.
_FRAMING = {"connection", "content-length", "expect", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True, repr=False)  # the headers hold credentials
class Request:
    """One request; ``target`` and ``headers`` as they are sent. The body's length is added."""

    method: str
    target: bytes
    headers: Mapping[str, str]
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the wire. `h11.LocalProtocolError` if it is not valid; its text repeats nothing of it."""
        lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}\r\n")
        try:
            first = f"{self.method} ".encode("ascii") + self.target + b" HTTP/1.1\r\n"
            head = first + "".join(lines).encode("ascii") + b"\r\n"
        except UnicodeEncodeError:
            raise h11.LocalProtocolError("a header is not ASCII") from None
        if not _HEAD.fullmatch(head) or not _FRAMING.isdisjoint(map(str.lower, self.headers)):
            raise h11.LocalProtocolError("the request is not valid")
        # A part may be several valid lines, and a name may be a name with a value.
        if head.count(b"\n") != len(lines) + 2 or any(":" in name for name in self.headers):
            raise h11.LocalProtocolError("a part of the request holds a line break or a colon")
        return head + self.body


@cache
def stand_in(method: str) -> h11.Request:
    """What h11 needs to know of a request to read its answer."""
    return h11.Request(method=method, target="/", headers=[("Host", "-")])
