"""Breaking sentences into lines that a terminal shows whole."""

import re
import textwrap

WIDEST = 100  # Columns that are used at most: longer lines are hard to read.

_UNIT = re.compile(r"(?<=\d) (?=s\b|min\b)")
_HELD_TOGETHER = "\N{NO-BREAK SPACE}"


def fill(sentence: str, width: int, *, indent: int = 0) -> str:
    """Break into lines of at most ``width`` columns, all but the first indented; units stay with numbers."""
    held = _UNIT.sub(_HELD_TOGETHER, sentence)
    wrapper = textwrap.TextWrapper(
        min(width, WIDEST), subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
    return wrapper.fill(held).replace(_HELD_TOGETHER, " ")
