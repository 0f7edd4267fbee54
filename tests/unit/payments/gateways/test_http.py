"""How an `HttpGateway` is made, and what it never shows. The calls have their tests in tests/integration."""

import pytest

from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.gateways.http import HttpGateway

PROFILE = GatewayProfile(deduplicates=False, key_life=1, looks_up=True, absent_after=1)


def test_a_password_in_the_url_is_not_shown() -> None:
    assert "s3cret" not in repr(HttpGateway("https://shop:s3cret@pay.example", profile=PROFILE))


@pytest.mark.parametrize(
    "url",
    ["", "pay.example", "ftp://pay.example", "http://", "http://h:port", "http://h/?a=1", "http://h/#x"],
)
def test_an_invalid_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="payment service's URL") as refused:
        HttpGateway(url.replace("http://h", "http://u:s3cret@h"), profile=PROFILE)
    assert "s3cret" not in str(refused.value)
