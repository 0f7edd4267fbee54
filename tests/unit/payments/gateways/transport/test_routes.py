"""A route stays as long as its certificates and its proxy do."""

import ssl

import pytest

from breakwall.payments.gateways.transport.routes import Route, Routes


def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def test_the_route_is_another_one_after_each_change() -> None:
    tls, proxy = [context()], ["http://u:first@proxy:1"]
    routes = Routes(lambda: tls[0], lambda: proxy[0])
    first = routes.current()
    assert routes.current() is first
    tls[0] = context()
    second = routes.current()
    proxy[0] = "http://u:second@proxy:1"
    third = routes.current()
    assert len({first, second, third}) == 3
    assert (third.tls, third.proxy_url) == (tls[0], proxy[0])


def test_a_proxy_that_is_read_again_and_is_the_same_changes_nothing() -> None:
    routes = Routes(None, lambda: "".join(["http://", "proxy:1"]))
    assert routes.current() is routes.current()


def test_values_never_change() -> None:
    routes = Routes(context(), "http://proxy:1")
    assert routes.current() is routes.current()


def test_a_proxy_reads_requests_only_where_there_is_no_tls() -> None:
    assert Route(None, "http://proxy:1").forwarding_proxy is not None
    assert Route(context(), "http://proxy:1").forwarding_proxy is None
    assert Route(None, None).forwarding_proxy is None


def test_an_invalid_proxy_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="proxy") as refused:
        Routes(None, "socks5://u:geheim@proxy:1")
    assert "geheim" not in str(refused.value)
