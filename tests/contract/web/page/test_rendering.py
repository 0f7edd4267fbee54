"""Templates: escaped, and complete."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from breakwall.web.page.rendering import TEMPLATES, as_code, environment, render
from breakwall.web.page.words import Words


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("verdict.html", Words("en"))


def test_code_is_marked_and_everything_is_escaped() -> None:
    assert as_code("Run `<b>`, <i>.") == "Run <code>&lt;b&gt;</code>, &lt;i&gt;."


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.iterdir()))
def test_no_template_switches_the_escaping_off(name: str) -> None:
    source = (TEMPLATES / name).read_text()
    environment().parse(source)
    assert "| safe" not in source
    assert "autoescape" not in source
