from __future__ import annotations

import hashlib

import pytest

from breakwall.api_tokens import MOST, ConfiguredToken, Scope, parse_scopes, parse_tokens
from tests.unit.settings.problems import problems

DIGEST = hashlib.sha256(b"bw_a-token").hexdigest()
SECRET = "bw_" + "qzQZ79" * 7 + "q"


def test_an_entry_has_a_name_scopes_and_a_digest() -> None:
    found = parse_tokens(f"shop:orders:write:{DIGEST}, anna:ops:read+ops:write:{'0' * 64}")
    assert found == [
        ConfiguredToken("shop", frozenset({Scope.ORDERS_WRITE}), DIGEST),
        ConfiguredToken("anna", frozenset({Scope.OPS_READ, Scope.OPS_WRITE}), "0" * 64),
    ]


def test_scopes_may_have_spaces_between_them() -> None:
    assert parse_scopes("ops:read orders:write") == {Scope.OPS_READ, Scope.ORDERS_WRITE}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("", "name:scopes:sha256"),
        ("shop", "name:scopes:sha256"),
        (f"shop:{DIGEST}", "name:scopes:sha256"),
        (f":orders:write:{DIGEST}", "the name"),
        (f"a b:orders:write:{DIGEST}", "the name"),
        (f"shop:orders:{DIGEST}", "the scopes"),
        (f"shop:orders:write,ops:read:{DIGEST}", "entry 2"),
        ("shop:orders:write:abc", "SHA-256"),
        (f"shop:orders:write:{DIGEST.upper()}", "SHA-256"),
        (f"shop:orders:write:{SECRET}", "SHA-256"),
    ],
)
def test_an_entry_of_another_form_is_refused(entry: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_tokens(entry)


def test_every_bad_entry_is_reported_by_its_place() -> None:
    [problem] = problems(API_TOKENS=f"shop,ok:ops:read:{DIGEST},anna:all:{DIGEST}")
    assert problem.startswith("BREAKWALL_API_TOKENS: ")
    assert "entry 1" in problem
    assert "entry 2" not in problem
    assert "entry 3" in problem


@pytest.mark.parametrize(
    "text",
    [SECRET, f"shop:orders:write:{SECRET}", f"{SECRET}:orders:write:{DIGEST}," * 2, f"x:{SECRET}:{DIGEST}"],
)
def test_a_token_in_the_wrong_place_is_not_repeated(text: str) -> None:
    [problem] = problems(API_TOKENS=text)
    assert SECRET not in problem
    assert DIGEST not in problem


def test_two_tokens_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        parse_tokens(f"shop:orders:write:{DIGEST},shop:ops:read:{'0' * 64}")


def test_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 100"):
        parse_tokens(",".join(f"shop{number}:ops:read:{number:064}" for number in range(MOST + 1)))


def test_its_repr_has_no_digest() -> None:
    assert DIGEST not in repr(parse_tokens(f"shop:orders:write:{DIGEST}"))
