from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.foreign.services import ForeignService, running
from tests.foreign.shop import OneProcessShop

Serve = Callable[[ForeignService], ForeignService]
OpenShop = Callable[..., OneProcessShop]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack: ExitStack) -> Serve:
    """Starts services."""
    return lambda service: stack.enter_context(running(service))


@pytest.fixture
def shop_url(sqlite_url: str) -> str:
    """The shop's database; the contract tests run on every one."""
    return sqlite_url


@pytest.fixture
def open_shop(stack: ExitStack, shop_url: str) -> OpenShop:
    """Opens a shop that pays at an address, with the options of `OneProcessShop`; once in a test."""
    return lambda url, **options: stack.enter_context(closing(OneProcessShop(shop_url, url, **options)))
