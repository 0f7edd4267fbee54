from __future__ import annotations

import pytest

from breakwall.payments.operator.bulk_retry import batch, freezing


@pytest.fixture
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freezing, "BATCH", 2)
    monkeypatch.setattr(batch, "BATCH", 2)
