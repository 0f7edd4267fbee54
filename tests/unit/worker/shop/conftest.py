from weakref import WeakSet

import pytest

from breakwall.broker import shop_apps


@pytest.fixture(autouse=True)
def _apps_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer of a later test in this process would warn of them."""
    monkeypatch.setattr(shop_apps, "_apps", WeakSet())
