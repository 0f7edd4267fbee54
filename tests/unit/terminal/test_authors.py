"""The actor that is recorded."""

from __future__ import annotations

import pytest
import typer

from breakwall.terminal import authors
from breakwall.terminal.authors import author


def test_the_user_acts_if_no_actor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "anna")
    assert author(None, "why").actor == "anna"
    assert author("bert", None).actor == "bert"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.delenv("USER", raising=False)
    monkeypatch.setattr(authors.getpass, "getuser", nameless)
    monkeypatch.setattr(authors.os, "getuid", lambda: 4711)
    assert author(None, None).actor == "uid 4711"


@pytest.mark.parametrize(
    ("actor", "reason", "option"), [("", None, "--actor"), ("a", "", "--reason"), ("a", "\x1b", "--reason")]
)
def test_a_text_that_cannot_be_recorded_is_refused_with_its_option(
    actor: str, reason: str | None, option: str
) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        author(actor, reason)
    assert refused.value.param_hint == option
