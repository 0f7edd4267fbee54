"""The address that people see."""

from __future__ import annotations

import pytest

from breakwall.urls.address import where


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:geheim@h:6379/0", "redis://h:6379"),
        ("https://u:geheim@[::1]:1/x?token=geheim", "https://[::1]:1"),
        ("oracle+cx_oracle://u:geheim@h:1521/x", "oracle+cx_oracle://h:1521"),
        ("sqlite:////data/orders.db", "sqlite:////data/orders.db"),
        ("sqlite:////my%20data/orders.db", "sqlite:////my data/orders.db"),
        ("amqp://u:geheim@a:1/x;amqp://u:geheim@b:2/x", "amqp://a:1, amqp://b:2"),
        (
            "sentinel://:geheim@a:1;sentinel://b:2/0?master_name=m&sentinel_password=geheim",
            "sentinel://a:1, sentinel://b:2",
        ),
        ("redis+socket:///data/broker.sock", "redis+socket:///data/broker.sock"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert where(url) == shown
