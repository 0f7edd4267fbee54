"""Only a URL's address is shown, and nothing that may be a secret."""

from __future__ import annotations

import pytest

from breakwall.urls.address import names_a_user, where


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@h:1/0?x=geheim", "redis://h:1"),
        ("oracle+cx_oracle://u:geheim@h/x", "oracle+cx_oracle://h"),
        ("http://u:geheim@[::1]:8090/v2", "http://[::1]:8090"),
        ("amqp://u:geheim@a:1//;amqp://u:geheim@b//", "amqp://a:1, amqp://b"),
        ("sqlite:////srv/break%20wall.db", "sqlite:////srv/break wall.db"),
        ("redis://u:gehe/im@h:geheim", "redis://…"),
    ],
)
def test_an_address_has_neither_user_nor_password_nor_query(url: str, shown: str) -> None:
    assert where(url) == shown


def test_a_user_is_one_with_or_without_a_password() -> None:
    assert [names_a_user(f"http://{user}h/") for user in ("u:p@", "u@", "")] == [True, True, False]
