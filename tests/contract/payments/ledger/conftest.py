"""The ledger over each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.payments.ledger.book import Book


@pytest.fixture
def book(migrated_url: str) -> Iterator[Book]:
    book = Book(migrated_url)
    yield book
    book.database.close()
