"""Finds a part of a secret in what is shown or logged."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from urllib.parse import quote

from hypothesis import strategies as st

LETTERS = "qzQZ79"
ODD = "@/#?:%[]&=;,+ \\é漢.-_~!$'()*<>|^`{}\"\t\n"
SECRETS = st.text(st.sampled_from(LETTERS * 2 + ODD), min_size=6) | st.text(
    st.sampled_from(LETTERS * 4 + ":;!=漢"), min_size=4
)
"""A password with unescaped characters."""


@contextmanager
def everything_logged() -> Iterator[StringIO]:
    """Everything that any library logs in the meantime."""
    written = StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(written)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def pieces(secret: str) -> set[str]:
    """The parts that may not be shown: each four characters, except punctuation, and digits alone.

    Four digits can be a part of any address or time.
    """
    ways = (secret, quote(secret, safe=""), repr(secret), secret.lower())
    every = {way[at : at + 4] for way in ways for at in range(len(way) - 3)}
    telling = (piece for piece in every if re.search("[qzQZ]", piece))
    return {piece for piece in telling if len(re.findall(f"[{LETTERS.lower()}{LETTERS}]", piece)) >= 2}
