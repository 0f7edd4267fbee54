"""Finds each text of the operator's page that is translated: in its code and in its templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from jinja2.ext import babel_extract

WEB = Path(__file__).parents[1] / "breakwall" / "web"

_SINGLE = {"text", "say", "message", "_fixed"}  # Functions whose first argument is a text.
_TWO_FORMS = {"count", "plural"}  # Whose first two are the singular and the plural of one.
_SEVERAL = {"lasting", "_two", "by", "_forced"}  # Whose literal arguments are texts.


def messages() -> dict[str, str | None]:
    """Each text (its singular), which is the key of its translation, and its plural if it has one."""
    found: dict[str, str | None] = {}
    for forms in (*_in_code(), *_in_templates()):
        found[forms[0]] = forms[1] if len(forms) > 1 else None
    return found


def _in_code() -> Iterator[tuple[str, ...]]:
    for file in sorted((WEB / "page").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                yield from _of_call(node)


def _of_call(call: ast.Call) -> Iterator[tuple[str, ...]]:
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", None)
    literals = [
        one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    if name in _TWO_FORMS and len(literals) >= 2:
        yield literals[0], literals[1]
    elif name in _SINGLE and literals:
        yield (literals[0],)
    elif name in _SEVERAL:
        yield from ((text,) for text in literals)


def _in_templates() -> Iterator[tuple[str, ...]]:
    for file in sorted((WEB / "templates").iterdir()):
        with file.open("rb") as opened:
            for _line, _function, text, _comments in babel_extract(opened, ("_", "ngettext"), (), {}):
                forms = text if isinstance(text, tuple) else (text,)
                literals = tuple(str(form) for form in forms if form is not None)
                if literals:
                    yield literals
