from __future__ import annotations

import hashlib

from breakwall.access.scopes import ALL_SCOPES
from breakwall.access.tokens import PATTERN, AccessToken, digest_of, new_token


def test_a_token_can_be_recognised_in_a_text() -> None:
    token = new_token()
    assert PATTERN.findall(f"TOKEN={token};") == [token]


def test_a_token_has_256_random_bits_and_comes_once() -> None:
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {len("bw_") + 43}


def test_the_digest_is_what_sha256sum_prints() -> None:
    assert digest_of("bw_abc") == hashlib.sha256(b"bw_abc").hexdigest()


def test_any_text_has_a_digest() -> None:
    assert len({digest_of("\ud800"), digest_of(""), digest_of("키")}) == 3


def test_its_repr_has_no_digest() -> None:
    assert "f00" not in repr(AccessToken("shop", ALL_SCOPES, "f00"))
